/** What a job's and a batch's handle share: one stream, however many listen, and the latest state. */
import { follow } from "./stream.js";
import type { Http } from "./http.js";
import type { ServerEvent } from "./types.js";

type Listener<T> = (value: T) => void;

export abstract class Handle<T extends { id: string; state: string }> implements AsyncIterable<ServerEvent> {
  private readonly events = new Set<Listener<ServerEvent | null>>();
  private readonly changes = new Set<Listener<T>>();
  private ending: Promise<T> | undefined;
  private over = false;
  private heard = 0;
  private readonly stop = new AbortController();

  protected constructor(protected readonly http: Http, protected readonly path: string, protected latest: T) {}

  get id(): string {
    return this.latest.id;
  }

  /** As it was heard last. */
  get current(): T {
    return this.latest;
  }

  protected abstract ended(state: string): boolean;
  protected abstract merged(event: ServerEvent): T;

  /** Asks the server now. */
  async refresh(): Promise<T> {
    const before = this.heard;
    const value = (await this.http.json("GET", this.path)) as T;
    if (this.heard === before || this.ended(value.state)) this.set(value);   // else events told more meanwhile
    return this.latest;
  }

  /** `listener` is told of every change, and of the present state at once. Returns what ends it. */
  onChange(listener: Listener<T>): () => void {
    this.changes.add(listener);
    listener(this.latest);
    this.begin();
    return () => this.changes.delete(listener);
  }

  /** Resolves when it has ended, whatever the end; `signal` ends the waiting, nothing else. */
  finished(signal?: AbortSignal): Promise<T> {
    const ending = this.begin();
    if (!signal) return ending;
    return new Promise((done, failed) => {
      const end = (): void => failed(signal.reason as Error);
      if (signal.aborted) end();
      signal.addEventListener("abort", end, { once: true });
      ending.then(done, failed).finally(() => signal.removeEventListener("abort", end));
    });
  }

  /** Ends the stream. The job goes on. */
  close(): void {
    this.stop.abort(new DOMException("the handle was closed", "AbortError"));
  }

  /** Its events from now on, until it has ended. Leaving the loop leaves the job alone. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ServerEvent> {
    const waiting: (ServerEvent | null)[] = [];
    let wake: () => void = () => undefined;
    const hear = (event: ServerEvent | null): void => {
      waiting.push(event);
      wake();
    };
    const ending = this.begin();
    if (this.over) return;
    this.events.add(hear);
    try {
      for (;;) {
        const event = waiting.shift();
        if (event) yield event;
        else if (event === null) break;
        else await new Promise<void>((done) => (wake = done));
      }
      await ending;
    } finally {
      this.events.delete(hear);
    }
  }

  private set(value: T): void {
    this.latest = value;
    for (const listener of [...this.changes]) listener(value);
  }

  private begin(): Promise<T> {
    this.ending ??= this.pump().finally(() => {
      this.over = true;
      for (const listener of [...this.events]) listener(null);
      this.events.clear();
    });
    this.ending.catch(() => undefined);   // whoever waits is told
    return this.ending;
  }

  private async pump(): Promise<T> {
    // While there is no stream its state is asked for at each try to have one.
    const onState = (state: "open" | "lost"): void => {
      if (state === "lost") this.refresh().catch(() => undefined);
    };
    if (!this.ended(this.latest.state)) {
      for await (const event of follow(this.http, `${this.path}/events`, {}, { signal: this.stop.signal, onState })) {
        this.heard++;
        this.set(this.merged(event));
        for (const listener of [...this.events]) listener(event);
        if (this.ended(this.latest.state)) break;
      }
    }
    // All of it once more; what the events told is enough where it cannot be asked for.
    return this.ended(this.latest.state) ? this.refresh().catch(() => this.latest) : this.refresh();
  }
}
