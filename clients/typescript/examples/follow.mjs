// Submits a title card, tells how far it is, and keeps the picture.
//   FNR_URL=http://127.0.0.1:8080/ FNR_KEY=$(cat var/admin.key) node examples/follow.mjs "Act One" act-one.png
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Client, JobError } from "../dist/index.js";

const [text = "Act One", path = "title_card.png"] = process.argv.slice(2);
const client = new Client({ url: process.env.FNR_URL ?? "http://127.0.0.1:8080/", key: process.env.FNR_KEY ?? "" });

try {
  const job = await client.run("create_title_card", { text }, { quality: "draft" });
  job.onProgress((progress) => console.log(`${Math.round(progress.percent)} % ${progress.message}`));
  const done = await job.wait();
  await pipeline(Readable.fromWeb(await client.download(done.outputs[0].url)), createWriteStream(path));
  console.log(`${path}: ${done.outputs[0].width} x ${done.outputs[0].height}`);
} catch (error) {
  console.error(error instanceof JobError ? `${error.message} ${error.job.error?.suggestion ?? ""}` : error.message);
  process.exitCode = 1;
}
