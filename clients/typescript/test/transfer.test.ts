import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/index.js";
import { json, withServer } from "./server.js";

test("uploads tell how far they are, and how long the whole is", () => withServer((asked, response) => {
  json(response, 201, { id: "u", bytes: asked.body.length, sha256: "", media_type: String(asked.headers["content-type"]), name: asked.headers["x-filename"] });
}, async (server) => {
  const told: number[] = [];
  const file = new Blob(["a".repeat(300_000)], { type: "image/png" });
  const made = await new Client({ url: server.url, key: "k" }).upload(file, { name: "süß.png", onProgress: (done, total) => void told.push(done / total) });
  assert.deepEqual([made.id, made.bytes, made.media_type, made.name], ["u", 300_000, "image/png", "s%C3%BC%C3%9F.png"]);
  assert.equal(told.at(-1), 1);
  assert.equal(server.asked[0]?.headers["content-length"], "300000", "the server asks for it");
  const plain = await new Client({ url: server.url }).upload(file);
  assert.equal(plain.bytes, 300_000);
}));

test("downloads are streams that tell how far they are", () => withServer((_, response) => response.writeHead(200, { "Content-Length": "100000" }).end(Buffer.alloc(100_000, "b")), async (server) => {
  let last = 0;
  let bytes = 0;
  const stream = await new Client({ url: server.url }).download("/api/v1/jobs/j/outputs/image", { onProgress: (done, total) => void (last = done / total) });
  for await (const piece of stream as unknown as AsyncIterable<Uint8Array>) bytes += piece.byteLength;
  assert.deepEqual([bytes, last], [100_000, 1]);
}));
