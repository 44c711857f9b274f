// Jobs that are shown somewhere, kept as the server has them: read once, then changed by the event stream.

import { get, Problem } from "./api.js";
import { thumbnailsAwaited } from "./outputs.js";
import { listen } from "./stream.js";

const AGAIN_MS = 2000;
const watched = new Map();   // id: {job, listeners, reading, again, timer}

export const finished = (job) => ["completed", "failed", "cancelled", "expired"].includes(job.state);

function tell(entry, change) {
  for (const listener of [...entry.listeners]) listener(entry.job, change);
}

/** An answer may be older than what the stream has said meanwhile. */
function newer(before, job) {
  if (before && before.attempt === job.attempt && before.state === job.state && before.progress.percent > job.progress.percent)
    job.progress = before.progress;
  return job;
}

function read(id) {
  const entry = watched.get(id);
  if (!entry) return;
  if (entry.reading) entry.again = true;
  else entry.reading = readNow(id, entry);
}

async function readNow(id, entry) {
  clearTimeout(entry.timer);
  try {
    entry.job = newer(entry.job, await get(`jobs/${id}`));
    tell(entry, { kind: "job" });
    if (thumbnailsAwaited(entry.job)) entry.timer = setTimeout(() => read(id), AGAIN_MS);
  } catch (error) {
    if (error.status && error.status < 500 && error.status !== 429) tell(entry, { kind: "error", error });
    else entry.timer = setTimeout(() => read(id), AGAIN_MS);
  }
  entry.reading = null;
  if (entry.again) {
    entry.again = false;
    read(id);
  }
}

listen((message) => {
  if (message.kind === "anew") {
    for (const id of watched.keys()) read(id);
    return;
  }
  if (message.name === "queue.changed" || message.name === "backend.changed") {
    for (const [id, one] of watched) if (one.job?.state === "queued") read(id);
    return;
  }
  const entry = message.kind === "event" ? watched.get(message.data.job) : null;
  if (!entry) return;
  if (message.name === "job.deleted") tell(entry, { kind: "error", error: new Problem(404, null) });
  else if (message.name === "job.preview") tell(entry, { kind: "preview", number: message.data.seq });
  else if (message.name === "job.progress" && entry.job && message.data.attempt >= entry.job.attempt && !finished(entry.job)) {
    Object.assign(entry.job, { state: message.data.state, attempt: message.data.attempt, progress: message.data.progress });
    tell(entry, { kind: "progress" });
  } else read(message.data.job);
});

/**
 * `listener(job, {kind})` is called with the job as soon as it was read and whenever it changes: "job", "progress", "preview"
 * ({number}), or "error" ({error}: it is gone or not for this user; job may be null). Returns a function that ends it, which can be waited for until nothing is
 * being read any more.
 */
export function watch(id, listener) {
  const entry = watched.get(id) ?? { job: null, listeners: new Set(), reading: null, again: false, timer: 0 };
  watched.set(id, entry);
  entry.listeners.add(listener);
  read(id);
  return () => {
    entry.listeners.delete(listener);
    if (entry.listeners.size) return entry.reading;
    clearTimeout(entry.timer);
    watched.delete(id);
    return entry.reading;
  };
}
