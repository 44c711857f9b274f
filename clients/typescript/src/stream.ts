/** Server-Sent Events over fetch, so that keys need no address, with resumption by Last-Event-ID. */
import { ProblemError, UnreachableError } from "./errors.js";
import type { Http } from "./http.js";
import { delay, pause } from "./limits.js";
import type { EventData, EventName, ServerEvent } from "./types.js";

const SILENCE_MS = 45_000;   // the server says something every 15 s
const BACKOFF = { attempts: Infinity, base: 500, most: 15_000 };

export interface StreamOptions {
  signal?: AbortSignal | undefined;
  /** Begin behind this event. */
  lastEventId?: number | undefined;
  /** Told when the connection is there ("open") or was lost and is made again ("lost"). */
  onState?: ((state: "open" | "lost") => void) | undefined;
}

/** The lines of a body, however its bytes were cut. Ends with the body; silence for too long is an error. */
async function* lines(body: ReadableStream<Uint8Array>, silence: () => void): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const timer = setTimeout(silence, SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const whole = rest.split(/\r\n|\n|\r(?!$)/);
      rest = whole.pop() ?? "";
      yield* whole;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

interface Place {
  last: number | undefined;
  pause: number;
}

async function* read(body: ReadableStream<Uint8Array>, place: Place, silence: () => void): AsyncGenerator<ServerEvent> {
  let name = "message";
  let id: number | null = null;
  let data = "";

  for await (const line of lines(body, silence)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (line === "") {
      // One that came before is not told twice; a snapshot always counts.
      if (data && (id === null || name === "snapshot" || name === "gap" || place.last === undefined || id > place.last)) {
        if (id !== null) place.last = id;
        yield { name: name as EventName, id, data: JSON.parse(data) as EventData };
      }
      name = "message";
      id = null;
      data = "";
    } else if (field === "event") name = value ?? "";
    else if (field === "data") data += (data ? "\n" : "") + (value ?? "");
    else if (field === "id" && /^\d+$/.test(value ?? "")) id = Number(value);
    else if (field === "retry" && /^\d+$/.test(value ?? "")) place.pause = Number(value);
  }
}

/**
 * Follows a stream until it has ended (the server has nothing more to say), and begins again where it stood whenever the
 * connection is lost. What the server refuses for good (no key, no such job) is thrown.
 */
export async function* follow(http: Http, path: string, query: Record<string, unknown>, options: StreamOptions = {}): AsyncGenerator<ServerEvent> {
  const place: Place = { last: options.lastEventId, pause: 0 };
  const { signal } = options;

  for (let lost = 1; ; lost++) {
    const silent = new AbortController();
    const end = (): void => silent.abort(signal?.reason);
    let retryAfter = 0;
    signal?.addEventListener("abort", end, { once: true });
    try {
      const headers = new Headers({ Accept: "text/event-stream" });
      if (place.last !== undefined) headers.set("Last-Event-ID", String(place.last));
      const response = await http.once({ method: "GET", url: http.address(path, query), headers }, { signal: silent.signal });
      if (response.status === 204) return;
      options.onState?.("open");
      for await (const event of read(response.body ?? new Blob().stream(), place, () => silent.abort())) {
        lost = 0;
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ProblemError) {
        if (error.status < 500 && error.status !== 429) throw error;
        retryAfter = error.retryAfter;
      } else if (!(error instanceof UnreachableError || error instanceof TypeError || error instanceof DOMException)) {
        throw error;
      }
    } finally {
      signal?.removeEventListener("abort", end);
    }
    options.onState?.("lost");
    await pause(Math.max(place.pause, delay(BACKOFF, Math.min(lost, 10) + 1, retryAfter)), signal);
  }
}
