export { Client, type EventFilter, type RequestOptions } from "./client.js";
export { JobError, ProblemError, UnreachableError } from "./errors.js";
export type { Interceptor, Options, Outgoing } from "./http.js";
export { BatchHandle, JobHandle } from "./job.js";
export { type Entry, indexedDbStorage, OfflineQueue, type OfflineOptions, type Storage } from "./offline.js";
export type { StreamOptions } from "./stream.js";
export type { TransferOptions, Upload } from "./transfer.js";
export type { Answer, Batch, BatchSubmission, Body, EventData, EventName, Job, JobState, Method, Output, PathOf, PathParameters, paths, Problem, Progress, Query, ServerEvent, Submission } from "./types.js";
