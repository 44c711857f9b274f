import { Http, type Options, type Sent } from "./http.js";
import { BatchHandle, JobHandle } from "./job.js";
import { follow, type StreamOptions } from "./stream.js";
import { download, type TransferOptions, upload, type Upload } from "./transfer.js";
import type { Answer, Batch, BatchSubmission, Body, EventName, Job, Method, PathOf, PathParameters, paths, Query, ServerEvent, Submission } from "./types.js";

type Optional<Name extends string, T> = [T] extends [never] ? { [K in Name]?: never } : Partial<Record<never, never>> extends T ? { [K in Name]?: T } : { [K in Name]: T };

/** What a request of the API takes beside its method and path; what it does not have cannot be given. */
export type RequestOptions<P extends keyof paths, M extends Method> = Optional<"path", PathParameters<P, M>> & Optional<"query", Query<P, M>> & Optional<"body", Body<P, M>> & {
  /** If-Match, Prefer, … */
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

type Given = { path?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal };
type Arguments<P extends keyof paths, M extends Method> = Record<never, never> extends RequestOptions<P, M> ? [options?: RequestOptions<P, M>] : [options: RequestOptions<P, M>];

export interface EventFilter {
  project?: string;
  batch?: string;
  node_id?: string;
  types?: EventName[];
}

/** Function Runner, seen from a browser or Node. Every endpoint by `request`; what most people need by a name of its own. */
export class Client {
  /** What requests go through. */
  readonly http: Http;

  constructor(private readonly options: Options = {}) {
    this.http = new Http(options);
  }

  /** Any endpoint: request("get", "/api/v1/jobs/{id}", { path: { id } }). Types are those of the OpenAPI document. */
  async request<M extends Method, P extends PathOf<M>>(method: M, path: P, ...[options]: Arguments<P, M>): Promise<Answer<P, M>> {
    const given = (options ?? {}) as Given;
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(given.path?.[name])));
    const sent: Sent = { query: given.query, headers: given.headers, signal: given.signal };
    if (given.body !== undefined) sent.json = given.body;
    if (given.headers && "Idempotency-Key" in given.headers) sent.repeatable = true;
    const wait = /wait=(\d+)/.exec(given.headers?.["Prefer"] ?? "");
    if (wait) sent.timeout = (this.options.timeout ?? 30_000) + Number(wait[1]) * 1000;
    return (await this.http.json(method.toUpperCase(), filled, sent)) as Answer<P, M>;
  }

  /** All items of a list, page after page, as they are asked for. */
  async *list<P extends PathOf<"get">>(path: P, ...[options]: Arguments<P, "get">): AsyncGenerator<Answer<P, "get"> extends { items: (infer T)[] } ? T : never> {
    const given = { ...((options ?? {}) as Given) };
    for (let cursor: unknown; cursor !== null; ) {
      const page = (await this.request("get", path, ...([{ ...given, query: { ...given.query, cursor } }] as unknown as Arguments<P, "get">))) as unknown as { items: never[]; next_cursor?: string | null };
      yield* page.items;
      cursor = page.next_cursor ?? null;
    }
  }

  /**
   * Submits a job. It is done once, however often the request has to be repeated: `key` is the Idempotency-Key, made up if
   * missing. For `count` above 1 use submitBatch.
   */
  async submit(submission: Submission & { count?: 1 | null }, key: string = crypto.randomUUID(), signal?: AbortSignal): Promise<JobHandle> {
    return new JobHandle(this.http, (await this.post("/api/v1/jobs", submission, key, signal)) as Job);
  }

  /** The same by parts: run("create_title_card", { text: "Act One" }, { quality: "high" }). */
  run(template: string, inputs: Submission["inputs"], more: Omit<Submission, "template" | "inputs" | "count"> = {}): Promise<JobHandle> {
    return this.submit({ ...more, template, inputs } as Submission & { count?: 1 });
  }

  /** Many jobs, accepted whole or not at all. */
  async submitBatch(submission: BatchSubmission, key: string = crypto.randomUUID(), signal?: AbortSignal): Promise<BatchHandle> {
    return new BatchHandle(this.http, (await this.post("/api/v1/batches", submission, key, signal)) as Batch);
  }

  /** A job, or a batch, that was submitted before. */
  async job(id: string): Promise<JobHandle> {
    return new JobHandle(this.http, await this.request("get", "/api/v1/jobs/{id}", { path: { id } }));
  }
  async batch(id: string): Promise<BatchHandle> {
    return new BatchHandle(this.http, await this.request("get", "/api/v1/batches/{id}", { path: { id } }));
  }

  /** Everything that happens, and what of it is wanted, until the loop is left. Connections that are lost are made again. */
  events(filter: EventFilter = {}, options: StreamOptions = {}): AsyncGenerator<ServerEvent> {
    return follow(this.http, "/api/v1/events", { ...filter, types: filter.types?.join(",") }, options);
  }

  /** A file for inputs: give "upload:" and its id as the input's value. Not read into memory as a whole. */
  async upload(file: Blob, options: TransferOptions & { name?: string } = {}): Promise<Upload> {
    const key = typeof this.options.key === "function" ? await this.options.key() : this.options.key;
    return upload(this.http, file, options.name, key ? `Bearer ${key}` : "", options);
  }

  /** The bytes behind an address that the API gave (`output.url`), as a stream. */
  download(url: string, options: TransferOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return download(this.http, url, options);
  }

  private post(path: string, json: unknown, key: string, signal: AbortSignal | undefined): Promise<unknown> {
    return this.http.json("POST", path, { json, headers: { "Idempotency-Key": key }, repeatable: true, signal });
  }
}
