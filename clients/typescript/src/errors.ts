import type { Job, Problem } from "./types.js";

/** The server did not do what was asked, and says why (RFC 9457). `problem.errors` names each place that is wrong. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: number;
  /** null where something between us and the server answered. */
  readonly problem: Problem | null;
  /** Seconds that the server asked to be left alone; 0 if it did not. */
  readonly retryAfter: number;

  constructor(status: number, problem: Problem | null, retryAfter = 0) {
    super(problem?.message ?? problem?.detail ?? `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** No answer came. Whether the request arrived is not known. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** A job ended otherwise than completed: `job.state` and `job.error` say how. */
export class JobError extends Error {
  override readonly name = "JobError";
  readonly job: Job;

  constructor(job: Job) {
    super(job.error?.message ?? `the job is ${job.state}`);
    this.job = job;
  }
}
