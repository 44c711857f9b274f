// The event stream of everything that this browser may see. Used by the SharedWorker, or by a page without one.

const NAMES = ["job.queued", "job.started", "job.progress", "job.preview", "job.log", "job.retrying", "job.completed", "job.failed", "job.cancelled",
  "job.expired", "job.deleted", "batch.progress", "template.changed", "preset.changed", "queue.changed", "backend.changed", "worker.changed",
  "take.chosen", "take.deleted", "key.created", "key.revoked"];
const AGAIN_MS = 2000;
const TICK_MS = 1000;
const ASLEEP_MS = 5000;   // a clock that jumps so far: the machine slept, and nobody can tell a connection that is dead from one that is silent

/**
 * Follows the stream until close() of what it returns. `tell` gets {kind: "state", state: "connecting" | "open" | "lost"},
 * {kind: "event", name, data}, and {kind: "anew"} when events may have been missed: what is shown has to be read again.
 */
export function follow(tell) {
  const url = new URL("api/v1/events", new URL("./", import.meta.url));
  let source;
  let timer = 0;
  let tick = Date.now();

  url.searchParams.set("types", NAMES.join(","));
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => tell({ kind: "state", state: "open" });
    source.onerror = () => {
      tell({ kind: "state", state: "lost" });
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_MS);   // the browser has given up
    };
    for (const name of NAMES) source.addEventListener(name, (event) => tell({ kind: "event", name, data: JSON.parse(event.data) }));
    for (const name of ["snapshot", "gap"]) source.addEventListener(name, () => tell({ kind: "anew" }));
  };
  const anew = () => {
    clearTimeout(timer);
    source.close();
    open();
  };
  const clock = setInterval(() => {
    if (Math.abs(Date.now() - tick) > ASLEEP_MS) anew();
    tick = Date.now();
  }, TICK_MS);
  addEventListener("online", anew);
  open();
  return {
    close() {
      clearTimeout(timer);
      clearInterval(clock);
      removeEventListener("online", anew);
      source.close();
    },
  };
}
