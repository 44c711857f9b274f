import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, type Entry, indexedDbStorage, OfflineQueue } from "../src/index.js";
import { job, json, problem, QUICK, withServer } from "./server.js";

const NOOP = { template: "noop", inputs: {} };
let databases = 0;
const storage = (): ReturnType<typeof indexedDbStorage> => indexedDbStorage(`test-${databases++}`);

test("kept while there is no network, sent once when there is, in order", () => {
  const made = new Map<string, string>();
  let up = false;
  return withServer((asked, response) => {
    const key = String(asked.headers["idempotency-key"]);
    if (!up) return void response.destroy();
    made.set(key, made.get(key) ?? `j${made.size}`);
    json(response, 202, job(made.get(key) ?? "", "queued"));
  }, async (server) => {
    const kept = storage();
    const client = new Client({ url: server.url, retry: { ...QUICK, attempts: 2 } });
    const queue = new OfflineQueue(client, { storage: kept });
    const entries = [await queue.submit({ ...NOOP, metadata: { n: 0 } }), await queue.submit({ ...NOOP, metadata: { n: 1 } })];
    await queue.flush();
    assert.equal((await queue.entries()).length, 2);
    // A page that is loaded anew finds them.
    const arrived: string[] = [];
    const next = new OfflineQueue(client, { storage: kept, onSubmitted: (handle, entry) => void arrived.push(`${handle.id} ${entry.key}`) });
    up = true;
    await Promise.all([next.flush(), next.flush(), queue.flush()]);   // two tabs at once
    assert.equal(made.size, 2, "each once, whoever sent it");
    assert.deepEqual([...made.keys()], entries.map((entry) => entry.key));
    assert.deepEqual(await next.entries(), []);
  });
});

test("an answer that is lost makes no second job", () => {
  const keys: string[] = [];
  return withServer((asked, response, n) => {
    keys.push(String(asked.headers["idempotency-key"]));
    if (n < 3) response.destroy();   // it arrived; nobody heard so
    else json(response, 202, job("j", "queued"), { "Idempotency-Replayed": "true" });
  }, async (server) => {
    const queue = new OfflineQueue(new Client({ url: server.url, retry: { attempts: 1 } }), { storage: storage() });
    await queue.submit(NOOP);
    for (let i = 0; i < 5 && (await queue.entries()).length; i++) await queue.flush();
    assert.equal(new Set(keys).size, 1);
    assert.equal((await queue.entries()).length, 0);
  });
});

test("what the server refuses is told and does not hold up others", () => withServer((asked, response) => {
  if (asked.body.includes("bad")) problem(response, 422, "invalid_inputs");
  else json(response, 202, job("j", "queued"));
}, async (server) => {
  const refused: Entry[] = [];
  const queue = new OfflineQueue(new Client({ url: server.url }), { storage: storage(), onRefused: (entry) => void refused.push(entry) });
  await queue.submit({ ...NOOP, metadata: { bad: true } });
  await queue.submit(NOOP);
  await queue.flush();
  assert.deepEqual(refused.map((entry) => [entry.state, entry.reason]), [["refused", "It is invalid_inputs."]]);
  assert.deepEqual((await queue.entries()).map((entry) => entry.state), ["refused"]);
  await queue.flush();
  assert.equal(server.asked.length, 2, "it is not sent again by itself");
  await queue.remove(refused[0]?.key ?? "");
  assert.deepEqual(await queue.entries(), []);
}));

test("one whose fate was unknown for longer than the server remembers keys is not sent by itself", () => withServer((_, response) => json(response, 202, job("j", "queued")), async (server) => {
  const kept = storage();
  const queue = new OfflineQueue(new Client({ url: server.url }), { storage: kept });
  for (const sent_at of [Date.now() - 24 * 3600_000, Date.now() + 25 * 3600_000]) {   // or the clock was set back
    await kept.put({ key: `old${sent_at}`, submission: NOOP, queued_at: sent_at, sent_at, state: "waiting", reason: null });
  }
  await kept.put({ key: "never sent", submission: NOOP, queued_at: 1, sent_at: null, state: "waiting", reason: null });
  await queue.flush();
  assert.deepEqual(server.asked.map((one) => one.headers["idempotency-key"]), ["never sent"]);
  const unsure = await queue.entries();
  assert.deepEqual(unsure.map((entry) => entry.state), ["unsure", "unsure"]);
  await queue.resend(unsure[0]?.key ?? "");
  await queue.flush();
  assert.equal(server.asked.length, 2);
  assert.notEqual(server.asked[1]?.headers["idempotency-key"], unsure[0]?.key);
}));

test("a key that is refused is no reason to lose anything", () => withServer((_, response, n) => (n === 1 ? problem(response, 401, "no_key") : json(response, 202, job("j", "queued"))), async (server) => {
  const queue = new OfflineQueue(new Client({ url: server.url }), { storage: storage() });
  await queue.submit(NOOP);
  await queue.flush();
  await queue.flush();
  assert.deepEqual(await queue.entries(), []);
}));
