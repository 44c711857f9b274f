import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, JobError, ProblemError } from "../src/index.js";
import { event, job, json, problem, streamHead, withServer } from "./server.js";

const progress = (percent: number): object => ({ job: "j", state: "running", progress: { percent, message: `${percent} %`, stage: "execution", stages: [] } });

test("a job is followed to its end, through cuts at any byte, without loss or repeat", () => {
  const whole = event(1, "snapshot", job("j", "queued")) + event(2, "job.progress", progress(10)) + event(3, "job.progress", progress(50)) + event(4, "job.completed", { job: "j", state: "completed", progress: { percent: 100 } });
  let cut = 3;
  let done = false;
  return withServer((asked, response) => {
    if (asked.path.endsWith("/jobs/j")) return done ? json(response, 200, job("j", "completed")) : cut > 3 ? problem(response, 404, "busy") : json(response, 200, job("j", "queued"));
    const last = Number(asked.headers["last-event-id"] ?? 0);
    // What comes behind the last one, one that came before, and a piece of a character at the end.
    const rest = last === 0 ? whole : whole.slice(Math.max(0, whole.indexOf(`id: ${last}\n`)));
    response.writeHead(200, streamHead);
    response.write("retry: 1\n\n: a comment\n\n");
    const piece = rest.slice(0, (cut += 37));
    done = piece === rest;
    response.end(piece);
  }, async (server) => {
    const handle = await new Client({ url: server.url }).job("j");
    const told: number[] = [];
    handle.onProgress((one) => told.push(one.percent));
    const names: string[] = [];
    for await (const one of handle) names.push(`${one.id} ${one.name}`);
    assert.deepEqual(names.filter((name) => !name.includes("snapshot")), ["2 job.progress", "3 job.progress", "4 job.completed"]);
    assert.deepEqual(told.filter((one, i) => one !== told[i - 1]), [0, 10, 50, 100]);
    assert.ok(server.asked.length > 4, "it was cut several times");
    const done = await handle.wait();
    assert.equal(done.state, "completed");
  });
});

test("204 ends it, and who waits gets the job as it is", () => withServer((asked, response) => {
  if (asked.path.endsWith("/events")) response.writeHead(204).end();
  else json(response, 200, job("j", server2.done ? "failed" : "running", { error: { class: "permanent", code: "bad", message: "It cannot be done." } }));
  server2.done = asked.path.endsWith("/events") || server2.done;
}, async (server) => {
  server2.done = false;
  const handle = await new Client({ url: server.url }).job("j");
  await assert.rejects(handle.wait(), (error) => error instanceof JobError && error.job.state === "failed" && error.message === "It cannot be done.");
}));
const server2 = { done: false };

test("what the server refuses for good is thrown, not tried for ever", () => withServer((asked, response) => {
  if (asked.path.endsWith("/events")) problem(response, 403, "scope");
  else json(response, 200, job("j", "running"));
}, async (server) => {
  const handle = await new Client({ url: server.url }).job("j");
  await assert.rejects(handle.wait(), ProblemError);
  assert.equal(server.asked.filter((one) => one.path.endsWith("/events")).length, 1);
}));

test("while there is no stream the job is asked for", () => withServer((asked, response, n) => {
  if (asked.path.endsWith("/events")) n < 8 ? problem(response, 503, "starting") : response.writeHead(204).end();
  else json(response, 200, job("j", n < 8 ? "running" : "completed", { progress: { percent: n, message: "", stage: "execution", stages: [] } }));
}, async (server) => {
  const handle = await new Client({ url: server.url }).job("j");
  const told = new Set<number>();
  handle.onProgress((one) => told.add(one.percent));
  await handle.wait();
  assert.ok(told.size > 2, [...told].join());
}));

test("many listen to one stream; leaving a loop, or waiting no longer, leaves the job and the others alone", () => withServer((asked, response) => {
  if (asked.path.endsWith("/events")) {
    response.writeHead(200, streamHead);
    response.write(event(1, "snapshot", job("j", "running")));
    let n = 2;
    const timer = setInterval(() => {
      response.write(n < 8 ? event(n, "job.progress", progress(n)) : event(n, "job.completed", { job: "j", state: "completed" }));
      if (n++ === 8) {
        clearInterval(timer);
        response.end();
      }
    }, 20);
  } else json(response, 200, job("j", "completed"));
}, async (server) => {
  const client = new Client({ url: server.url, cacheTtl: 0 });
  const { JobHandle } = await import("../src/index.js");
  const handle = new JobHandle(client.http, job("j", "running") as never);
  const gone = new AbortController();
  const impatient = assert.rejects(handle.wait({ signal: gone.signal }), /enough/);
  for await (const one of handle) {
    if (one.name === "job.progress") break;
  }
  gone.abort(new Error("enough"));
  await impatient;
  const rest: string[] = [];
  for await (const one of handle) rest.push(one.name);
  assert.equal(rest.at(-1), "job.completed");
  assert.equal((await handle.wait()).state, "completed");
  assert.equal(server.asked.filter((one) => one.path.endsWith("/events")).length, 1);
  for await (const one of handle) assert.fail(`nothing comes any more, but ${one.name}`);
}));

test("a batch ends with its last job", () => withServer((asked, response) => {
  const batch = (state: string, percent: number): object => ({ id: "b", state, total: 2, counts: { completed: percent / 50 }, percent, jobs: ["x", "y"] });
  if (asked.path.endsWith("/events")) {
    response.writeHead(200, streamHead);
    response.end(event(1, "snapshot", batch("running", 0)) + event(2, "job.completed", { job: "x", state: "completed" }) +
      event(3, "batch.progress", { batch: "b", state: "running", percent: 50, total: 2, counts: {} }) + event(4, "batch.progress", { batch: "b", state: "completed", percent: 100, total: 2, counts: { completed: 2 } }));
  } else json(response, asked.method === "POST" ? 202 : 200, batch(asked.method === "POST" ? "running" : "completed", asked.method === "POST" ? 0 : 100));
}, async (server) => {
  const handle = await new Client({ url: server.url }).submitBatch({ jobs: [{ template: "noop" }, { template: "noop" }] });
  const told: number[] = [];
  handle.onProgress((batch) => told.push(batch.percent));
  assert.equal((await handle.wait()).state, "completed");
  assert.deepEqual(told.filter((one, i) => one !== told[i - 1]), [0, 50, 100]);
}));

test("everything that happens, filtered, until the loop is left", () => withServer((_, response) => {
  response.writeHead(200, streamHead);
  response.write(event(7, "snapshot", {}) + event(8, "queue.changed", { queue: "cpu" }));
}, async (server) => {
  for await (const one of new Client({ url: server.url }).events({ project: "film", types: ["queue.changed", "job.queued"] }, { lastEventId: 5 })) {
    if (one.name === "queue.changed") break;
  }
  assert.equal(server.asked[0]?.path, "/api/v1/events?project=film&types=queue.changed%2Cjob.queued");
  assert.equal(server.asked[0]?.headers["last-event-id"], "5");
}));
