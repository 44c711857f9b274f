/** One request after another: keys, turns, retries, interceptors, cache, problems as errors. */
import { ProblemError, UnreachableError } from "./errors.js";
import { type Backoff, delay, pause, Turns } from "./limits.js";
import type { Problem } from "./types.js";

/** What may be changed of a request before it is sent. */
export interface Outgoing {
  method: string;
  url: URL;
  headers: Headers;
}

/** Each may be left out. Several are asked in order. */
export interface Interceptor {
  /** Before each try: add a header, wait for a token. */
  request?(request: Outgoing): void | Promise<void>;
  /** For each answer, before its body is read. */
  response?(response: Response, request: Outgoing): void | Promise<void>;
  /** An answer that is a problem, or none at all. true: try again, now (somebody signed in meanwhile); at most once a request. */
  error?(error: ProblemError | UnreachableError, request: Outgoing): boolean | void | Promise<boolean | void>;
}

export interface Options {
  /** Where Function Runner is, also below a sub-path. In a browser the page's own place if missing. */
  url?: string | URL;
  /** An API key, or what gives one for each request. Without one the browser's session counts. */
  key?: string | (() => string | Promise<string>);
  /** Requests at a time (8), and how many may begin within so many milliseconds (no bound). Streams do not count. */
  concurrency?: number;
  rate?: { requests: number; ms: number };
  /** Of what may safely be repeated (5 tries, from 300 ms to 15 s). */
  retry?: Partial<Backoff>;
  /** Milliseconds until a try without an answer is given up (30 000); uploads and downloads have none. */
  timeout?: number;
  /** How long answers about templates and presets are kept, milliseconds (30 000; 0: not at all). */
  cacheTtl?: number;
  interceptors?: Interceptor[];
  /** Another fetch, for tests or proxies. */
  fetch?: typeof fetch;
}

export interface Sent {
  query?: Record<string, unknown> | undefined;
  headers?: Record<string, string> | undefined;
  /** JSON, or bytes with `type`. */
  json?: unknown;
  bytes?: BodyInit;
  signal?: AbortSignal | undefined;
  /** May it be done twice? Else only a request that certainly did nothing is repeated. GET, PUT and DELETE may. */
  repeatable?: boolean;
  timeout?: number;
}

const BUSY = new Set([429, 502, 503, 504]);
const CACHED = /^\/api\/v1\/(templates|presets)(\/|$)/;

export class Http {
  readonly base: URL;
  private readonly turns: Turns;
  private readonly backoff: Backoff;
  private readonly cache = new Map<string, { until: number; value: unknown }>();
  private readonly fetch: typeof fetch;

  constructor(private readonly options: Options) {
    const page = typeof document === "undefined" ? "http://127.0.0.1:8080/" : document.baseURI;
    this.base = new URL(options.url ?? "./", page);
    if (!this.base.pathname.endsWith("/")) this.base.pathname += "/";
    this.turns = new Turns(options.concurrency ?? 8, options.rate);
    this.backoff = { attempts: 5, base: 300, most: 15_000, ...options.retry };
    this.fetch = options.fetch ?? ((...args) => fetch(...args));
  }

  /** The address of a path of the API ("/api/v1/jobs"), below the same place as everything else. */
  address(path: string, query?: Record<string, unknown>): URL {
    const url = new URL(path.replace(/^\//, ""), this.base);
    for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    return url;
  }

  /** The answer's JSON; undefined where it has none. */
  async json(method: string, path: string, sent: Sent = {}): Promise<unknown> {
    const ttl = this.options.cacheTtl ?? 30_000;
    const cached = CACHED.test(path);
    const kept = method === "GET" && cached && ttl > 0;
    const name = this.address(path, sent.query).href;
    const known = this.cache.get(name);
    if (kept && known && known.until > performance.now()) return structuredClone(known.value);
    const response = await this.send(method, path, sent);
    const text = await response.text();
    const value: unknown = text ? JSON.parse(text) : undefined;
    if (kept) this.cache.set(name, { until: performance.now() + ttl, value: structuredClone(value) });
    else if (method !== "GET" && cached) this.forget();
    return value;
  }

  /** Forgets what was kept of templates and presets. */
  forget(): void {
    this.cache.clear();
  }

  /** A good answer, its body unread. */
  async send(method: string, path: string, sent: Sent = {}): Promise<Response> {
    const repeatable = sent.repeatable ?? method !== "POST";
    let asked = false;
    for (let attempt = 1; ; attempt++) {
      const request: Outgoing = { method, url: this.address(path, sent.query), headers: new Headers(sent.headers) };
      try {
        return await this.turns.take(() => this.once(request, sent), sent.signal);
      } catch (error) {
        if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
        if (!asked && (await this.intercepted(error, request))) {
          asked = true;
          continue;
        }
        // A 429 did nothing, whatever was asked.
        const again = error instanceof UnreachableError ? repeatable : BUSY.has(error.status) && (repeatable || error.status === 429);
        if (!again || attempt >= this.backoff.attempts) throw error;
        await pause(delay(this.backoff, attempt + 1, error instanceof ProblemError ? error.retryAfter : 0), sent.signal);
      }
    }
  }

  /** One try. Used as it is by streams, which have their own way of beginning again. */
  async once(request: Outgoing, sent: Sent): Promise<Response> {
    const { key, interceptors = [] } = this.options;
    const given = typeof key === "function" ? await key() : key;
    const limit = new AbortController();
    const timeout = sent.timeout ?? this.options.timeout ?? 30_000;
    const timer = timeout > 0 ? setTimeout(() => limit.abort(), timeout) : undefined;
    const end = (): void => limit.abort(sent.signal?.reason);
    let response: Response;

    if (given) request.headers.set("Authorization", `Bearer ${given}`);
    request.headers.set("X-Function-Runner", "1");
    const init: RequestInit & { duplex?: "half" } = { method: request.method, headers: request.headers, signal: limit.signal, credentials: "same-origin", cache: "no-store" };
    if (sent.json !== undefined) {
      request.headers.set("Content-Type", "application/json");
      init.body = JSON.stringify(sent.json);
    } else if (sent.bytes !== undefined) {
      init.body = sent.bytes;
      init.duplex = "half";
    }
    sent.signal?.throwIfAborted();
    sent.signal?.addEventListener("abort", end, { once: true });
    try {
      for (const one of interceptors) await one.request?.(request);
      response = await this.fetch(request.url, init);
    } catch (error) {
      sent.signal?.throwIfAborted();
      throw new UnreachableError(limit.signal.aborted ? `no answer within ${timeout} ms` : "there is no connection to the server", { cause: error });
    } finally {
      clearTimeout(timer);
    }
    // The signal goes on to count while the body is read.
    for (const one of interceptors) await one.response?.(response, request);
    if (response.ok) return response;
    sent.signal?.removeEventListener("abort", end);
    throw new ProblemError(response.status, await problemOf(response), Number(response.headers.get("Retry-After")) || 0);
  }

  private async intercepted(error: ProblemError | UnreachableError, request: Outgoing): Promise<boolean> {
    for (const one of this.options.interceptors ?? []) if (await one.error?.(error, request)) return true;
    return false;
  }
}

async function problemOf(response: Response): Promise<Problem | null> {
  try {
    const value: unknown = await response.json();
    return typeof value === "object" && value !== null && "code" in value ? (value as Problem) : null;
  } catch {
    return null;
  }
}
