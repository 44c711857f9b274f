import { JobError } from "./errors.js";
import { Handle } from "./handle.js";
import type { Http } from "./http.js";
import type { Batch, Job, JobState, Progress, ServerEvent } from "./types.js";

const ENDS = new Set<string>(["completed", "failed", "cancelled", "expired"] satisfies JobState[]);

/** Members of a job that its events tell. */
const TOLD = ["state", "attempt", "queue", "priority", "worker", "backend", "placement", "started_at", "stage", "progress", "error", "take", "outputs", "finished_at"] as const;

/** A job that was submitted. It runs on whether or not anybody holds this. */
export class JobHandle extends Handle<Job> {
  constructor(http: Http, job: Job) {
    super(http, `/api/v1/jobs/${job.id}`, job);
  }

  protected ended(state: string): boolean {
    return ENDS.has(state);
  }

  protected merged({ name, data }: ServerEvent): Job {
    if (name === "snapshot") return { ...this.latest, ...data } as Job;
    const told = Object.fromEntries(TOLD.filter((member) => data[member] !== undefined).map((member) => [member, data[member]]));
    return { ...this.latest, ...told } as Job;
  }

  /** `listener` is told how far it is: now, and whenever that changes. Returns what ends it. */
  onProgress(listener: (progress: Progress, job: Job) => void): () => void {
    let before: Progress | undefined;
    return this.onChange((job) => {
      if (job.progress !== before) listener((before = job.progress), job);
    });
  }

  /** The finished job. Throws JobError where it is not completed. */
  async wait(options: { signal?: AbortSignal } = {}): Promise<Job> {
    const job = await this.finished(options.signal);
    if (job.state !== "completed") throw new JobError(job);
    return job;
  }

  async cancel(): Promise<Job> {
    return (await this.http.json("POST", `${this.path}/cancel`, { repeatable: true })) as Job;
  }

  /** The bytes of an output, by its name; the answer's body can be streamed. */
  output(name: string, signal?: AbortSignal): Promise<Response> {
    return this.http.send("GET", `${this.path}/outputs/${encodeURIComponent(name)}`, { signal, timeout: 0 });
  }
}

/** Jobs that were submitted together. */
export class BatchHandle extends Handle<Batch> {
  constructor(http: Http, batch: Batch) {
    super(http, `/api/v1/batches/${batch.id}`, batch);
  }

  protected ended(state: string): boolean {
    return state !== "running";
  }

  protected merged({ name, data }: ServerEvent): Batch {
    const { state, total, counts, percent } = data;
    if (name !== "batch.progress" && name !== "snapshot") return this.latest;
    return { ...this.latest, ...Object.fromEntries(Object.entries({ state, total, counts, percent }).filter(([, value]) => value !== undefined)) } as Batch;
  }

  onProgress(listener: (batch: Batch) => void): () => void {
    return this.onChange(listener);
  }

  /** The batch when all its jobs have ended, whatever their ends: `counts` tells them. */
  wait(options: { signal?: AbortSignal } = {}): Promise<Batch> {
    return this.finished(options.signal);
  }

  async cancel(): Promise<Batch> {
    return (await this.http.json("POST", `${this.path}/cancel`, { repeatable: true })) as Batch;
  }
}
