/** Submissions that are kept until they arrive: through lost networks, reloads and restarts, and never twice. */
import type { Client } from "./client.js";
import { ProblemError, UnreachableError } from "./errors.js";
import type { JobHandle } from "./job.js";
import type { Submission } from "./types.js";

/** The server knows an Idempotency-Key for at least a day; a submission whose fate was unknown for nearly as long is not sent again by itself. */
const KNOWN_MS = 23 * 3600_000;

type Single = Submission & { count?: 1 | null };

export interface Entry {
  /** The Idempotency-Key, made when it was queued. */
  key: string;
  submission: Single;
  queued_at: number;
  /** When it was sent for the first time; null: never. */
  sent_at: number | null;
  /** waiting: will be sent. refused: the server did not take it, `reason` says why. unsure: it may have arrived; see `again`. */
  state: "waiting" | "refused" | "unsure";
  reason: string | null;
}

/** Where entries are kept. `put` and `remove` resolve when that will survive a reload. */
export interface Storage {
  all(): Promise<Entry[]>;
  put(entry: Entry): Promise<void>;
  remove(key: string): Promise<void>;
}

/** In the browser's IndexedDB. */
export function indexedDbStorage(name = "function-runner"): Storage {
  const open = (): Promise<IDBDatabase> => new Promise((done, failed) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("submissions", { keyPath: "key" });
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  const use = async <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const database = await open();
    try {
      return await new Promise((done, failed) => {
        const transaction = database.transaction("submissions", mode, { durability: "strict" });
        const request = work(transaction.objectStore("submissions"));
        transaction.oncomplete = () => done(request.result);
        transaction.onabort = transaction.onerror = () => failed(transaction.error);
      });
    } finally {
      database.close();
    }
  };
  return {
    all: () => use("readonly", (store) => store.getAll() as IDBRequest<Entry[]>),
    put: async (entry) => void (await use("readwrite", (store) => store.put(entry))),
    remove: async (key) => void (await use("readwrite", (store) => store.delete(key))),
  };
}

export interface OfflineOptions {
  storage?: Storage;
  /** Told of each that arrived, or that the server refused. */
  onSubmitted?: (job: JobHandle, entry: Entry) => void;
  onRefused?: (entry: Entry) => void;
  /** Milliseconds between tries while the server cannot be reached (15 000); the browser's "online" event tries at once. */
  interval?: number;
}

export class OfflineQueue {
  private readonly storage: Storage;
  private working: Promise<void> | undefined;
  private again = false;
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly online = (): void => void this.flush();

  constructor(private readonly client: Client, private readonly options: OfflineOptions = {}) {
    this.storage = options.storage ?? indexedDbStorage();
  }

  /** Sends what waits, now and whenever there may be a connection, until `close`. */
  start(): void {
    this.timer ??= setInterval(this.online, this.options.interval ?? 15_000);
    if (typeof addEventListener === "function") addEventListener("online", this.online);
    void this.flush();
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    if (typeof removeEventListener === "function") removeEventListener("online", this.online);
  }

  /** Resolves when it is kept for certain; it is sent as soon as that can be. */
  async submit(submission: Single): Promise<Entry> {
    const entry: Entry = { key: crypto.randomUUID(), submission, queued_at: Date.now(), sent_at: null, state: "waiting", reason: null };
    await this.storage.put(entry);
    void this.flush();
    return entry;
  }

  /** Everything that has not arrived, oldest first. */
  async entries(): Promise<Entry[]> {
    return (await this.storage.all()).sort((a, b) => a.queued_at - b.queued_at);
  }

  /** Forgets one that is not wanted any more. One that was sent may have arrived all the same. */
  remove(key: string): Promise<void> {
    return this.storage.remove(key);
  }

  /** Sends one that was refused or unsure as a new submission, under a new key. */
  async resend(key: string): Promise<void> {
    const entry = (await this.storage.all()).find((one) => one.key === key);
    if (!entry) return;
    await this.storage.remove(key);
    await this.submit(entry.submission);
  }

  /** Sends all that waits, in order; resolves when all was sent, or nothing can be reached. */
  flush(): Promise<void> {
    this.again = true;
    this.working ??= this.work().finally(() => (this.working = undefined));
    return this.working;
  }

  private async work(): Promise<void> {
    while (this.again) {
      this.again = false;
      for (const entry of await this.entries()) if (entry.state === "waiting" && !(await this.send(entry))) return;
    }
  }

  /** False: it is no use to try others now. */
  private async send(entry: Entry): Promise<boolean> {
    if (entry.sent_at !== null && Math.abs(Date.now() - entry.sent_at) > KNOWN_MS) {
      await this.keep({ ...entry, state: "unsure", reason: "it was sent long ago and may have arrived" });
      return true;
    }
    const sent = { ...entry, sent_at: entry.sent_at ?? Date.now() };
    await this.storage.put(sent);   // before it goes out: a reload in between must know
    try {
      const job = await this.client.submit(entry.submission, entry.key);
      await this.storage.remove(entry.key);
      this.options.onSubmitted?.(job, sent);
      return true;
    } catch (error) {
      if (error instanceof ProblemError && error.status < 500 && ![401, 403, 408, 429].includes(error.status)) {
        await this.keep({ ...sent, state: "refused", reason: error.message });
        return true;
      }
      if (error instanceof ProblemError || error instanceof UnreachableError) return false;
      throw error;
    }
  }

  private async keep(entry: Entry): Promise<void> {
    await this.storage.put(entry);
    this.options.onRefused?.(entry);
  }
}
