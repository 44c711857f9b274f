import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, ProblemError, UnreachableError } from "../src/index.js";
import { delay, Turns } from "../src/limits.js";
import { job, json, problem, QUICK, withServer } from "./server.js";

test("what is refused is thrown with its problem", () => withServer((_, response) => problem(response, 422, "invalid_inputs"), async (server) => {
  const client = new Client({ url: server.url, key: "k" });
  await assert.rejects(client.run("noop", {}), (error) => error instanceof ProblemError && error.status === 422 && error.problem?.code === "invalid_inputs");
  assert.equal(server.asked.length, 1, "a 422 is final");
  assert.equal(server.asked[0]?.headers.authorization, "Bearer k");
}));

test("a submission is repeated under one key until it is answered", () => withServer((_, response, n) => {
  if (n === 1) response.destroy();
  else if (n === 2) problem(response, 503, "starting", { "Retry-After": "0" });
  else if (n === 3) response.writeHead(502).end("<html>");
  else json(response, 202, job("j1", "queued"));
}, async (server) => {
  const handle = await new Client({ url: server.url, retry: QUICK }).run("noop", {});
  assert.equal(handle.id, "j1");
  assert.equal(server.asked.length, 4);
  assert.equal(new Set(server.asked.map((one) => one.headers["idempotency-key"])).size, 1);
  assert.ok(server.asked[0]?.headers["idempotency-key"]);
}));

test("what may not be done twice is not repeated when its fate is unknown", () => withServer((asked, response) => {
  if (asked.path.endsWith("/replay")) response.destroy();
  else problem(response, 503, "starting");
}, async (server) => {
  const client = new Client({ url: server.url, retry: QUICK });
  await assert.rejects(client.request("post", "/api/v1/dead-letters/replay"), UnreachableError);
  assert.equal(server.asked.length, 1);
}));

test("429 is waited for as long as it says, whatever was asked", () => withServer((_, response, n) => {
  if (n === 1) problem(response, 429, "too_many", { "Retry-After": "1" });
  else json(response, 200, { count: 0 });
}, async (server) => {
  const began = performance.now();
  await new Client({ url: server.url, retry: QUICK }).request("post", "/api/v1/dead-letters/replay");
  assert.ok(performance.now() - began >= 990);
}));

test("it gives up in the end", () => withServer((_, response) => problem(response, 503, "full"), async (server) => {
  await assert.rejects(new Client({ url: server.url, retry: { ...QUICK, attempts: 3 } }).job("j1"), ProblemError);
  assert.equal(server.asked.length, 3);
}));

test("no answer within the time is as no answer at all", () => withServer(() => undefined, async (server) => {
  await assert.rejects(new Client({ url: server.url, timeout: 50, retry: { attempts: 1 } }).job("j1"), UnreachableError);
}));

test("interceptors change requests, see answers, and may have one tried again", () => withServer((asked, response) => {
  if (asked.headers.authorization === "Bearer new") json(response, 200, job("j1", "queued"), { "X-Seen": "yes" });
  else problem(response, 401, "no_key");
}, async (server) => {
  let token = "old";
  const seen: string[] = [];
  const client = new Client({ url: server.url, interceptors: [{
    request: (request) => request.headers.set("Authorization", `Bearer ${token}`),
    response: (response) => void seen.push(`${response.status} ${response.headers.get("X-Seen")}`),
    error: (error) => {
      if (!(error instanceof ProblemError) || error.status !== 401) return false;
      token = token === "old" ? "new" : token;
      return true;
    },
  }] });
  assert.equal((await client.job("j1")).id, "j1");
  assert.deepEqual(seen, ["401 null", "200 yes"]);
  token = "wrong";
  await assert.rejects(client.job("j1"), ProblemError);
  assert.equal(server.asked.length, 4, "once, not for ever");
}));

test("templates and presets are kept for a while, and forgotten when one is changed", () => withServer((_, response, n) => json(response, 200, { items: [{ id: `t${n}` }], next_cursor: null }), async (server) => {
  const client = new Client({ url: server.url, cacheTtl: 60_000 });
  const first = await client.request("get", "/api/v1/presets");
  first.items.length = 0;   // ours to change
  assert.equal((await client.request("get", "/api/v1/presets")).items.length, 1);
  assert.equal(server.asked.length, 1);
  client.http.forget();
  await client.request("get", "/api/v1/presets");
  await client.request("get", "/api/v1/jobs");
  await client.request("get", "/api/v1/jobs");
  assert.equal(server.asked.length, 4);
  const none = new Client({ url: server.url, cacheTtl: 0 });
  await none.request("get", "/api/v1/presets");
  await none.request("get", "/api/v1/presets");
  assert.equal(server.asked.length, 6);
}));

test("lists are walked page by page", () => withServer((asked, response) => {
  const cursor = new URL(asked.path, "http://x").searchParams.get("cursor");
  json(response, 200, cursor ? { items: [job("c", "queued")], next_cursor: null } : { items: [job("a", "queued"), job("b", "queued")], next_cursor: "n" });
}, async (server) => {
  const ids: string[] = [];
  for await (const one of new Client({ url: server.url }).list("/api/v1/jobs", { query: { state: "queued" } })) ids.push(one.id);
  assert.deepEqual(ids, ["a", "b", "c"]);
  assert.ok(server.asked.every((one) => one.path.includes("state=queued")));
}));

test("below a sub-path, and with names that need quoting", () => withServer((_, response) => json(response, 200, {}), async (server) => {
  const client = new Client({ url: `${server.url}films/runner` });
  await client.request("get", "/api/v1/templates/{id}", { path: { id: "a b/c" } });
  assert.equal(server.asked[0]?.path, "/films/runner/api/v1/templates/a%20b%2Fc");
}));

test("a signal ends what waits for its turn, for an answer, or for the next try", () => withServer((_, response, n) => void (n > 1 && problem(response, 503, "full", { "Retry-After": "600" })), async (server) => {
  const client = new Client({ url: server.url, concurrency: 1 });
  const end = new AbortController();
  const reason = new Error("enough");
  const asked = [1, 2].map(() => assert.rejects(client.request("get", "/api/v1/jobs/{id}", { path: { id: "x" }, signal: end.signal }), reason));
  setTimeout(() => end.abort(reason), 50);
  await Promise.all(asked);
  const later = new AbortController();
  setTimeout(() => later.abort(reason), 100);
  await assert.rejects(client.request("get", "/api/v1/jobs/{id}", { path: { id: "x" }, signal: later.signal }), reason);
}));

test("so many at a time, and so many within a time", async () => {
  let running = 0;
  let most = 0;
  const turns = new Turns(3);
  await Promise.all(Array.from({ length: 20 }, () => turns.take(async () => {
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done, 2));
    running--;
  })));
  assert.equal(most, 3);
  const began = performance.now();
  const slow = new Turns(10, { requests: 2, ms: 60 });
  await Promise.all(Array.from({ length: 6 }, () => slow.take(async () => undefined)));
  assert.ok(performance.now() - began >= 115, "six at two per 60 ms need two more windows");
});

test("waits have jitter below a bound that doubles, and are never shorter than was asked for", () => {
  for (let i = 0; i < 200; i++) {
    assert.ok(delay({ attempts: 9, base: 100, most: 1000 }, 2, 0) <= 100);
    assert.ok(delay({ attempts: 9, base: 100, most: 1000 }, 9, 0) <= 1000);
    assert.ok(delay({ attempts: 9, base: 100, most: 1000 }, 2, 3) >= 3000);
  }
});
