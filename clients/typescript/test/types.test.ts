/** What must compile, and what must not: checked by the compiler, not by running. */
import { test } from "node:test";
import type { Answer, Client, Job } from "../src/index.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const yes = <T extends true>(): T => true as T;

export async function compiles(client: Client): Promise<void> {
  const job = await client.request("get", "/api/v1/jobs/{id}", { path: { id: "x" } });
  yes<Same<typeof job, Job>>();
  yes<Same<Answer<"/api/v1/jobs/{id}", "delete">, undefined>>();
  await client.request("get", "/api/v1/jobs");
  await client.request("get", "/api/v1/jobs", { query: { state: "running", limit: 5 } });
  await client.request("patch", "/api/v1/jobs/{id}", { path: { id: "x" }, body: { priority: 7 } });
  await client.run("noop", { text: "any", list: [1, 2] }, { quality: "high" });
  for await (const one of client.list("/api/v1/jobs")) yes<Same<typeof one, Job>>();

  // @ts-expect-error: no such path
  await client.request("get", "/api/v1/nothing");
  // @ts-expect-error: that path has no such method
  await client.request("put", "/api/v1/jobs");
  // @ts-expect-error: the id is missing
  await client.request("get", "/api/v1/jobs/{id}");
  // @ts-expect-error: no such state
  await client.request("get", "/api/v1/jobs", { query: { state: "done" } });
  // @ts-expect-error: a body is needed
  await client.request("patch", "/api/v1/jobs/{id}", { path: { id: "x" } });
  // @ts-expect-error: not of this type
  await client.request("patch", "/api/v1/jobs/{id}", { path: { id: "x" }, body: { priority: "high" } });
  // @ts-expect-error: count makes a batch
  await client.submit({ template: "noop", inputs: {}, count: 2 });
}

test("types were checked", () => undefined);
