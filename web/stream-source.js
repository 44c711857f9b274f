// The event stream of everything that this browser may see. Used by the SharedWorker, or by a page without one.

const NAMES = ["job.queued", "job.started", "job.progress", "job.preview", "job.retrying", "job.completed", "job.failed", "job.cancelled",
  "job.expired", "batch.progress", "template.changed", "preset.changed", "queue.changed", "backend.changed"];
const AGAIN_MS = 2000;

/**
 * Follows the stream until close() of what it returns. `tell` gets {kind: "state", state: "connecting" | "open" | "lost"},
 * {kind: "event", name, data}, and {kind: "anew"} when events may have been missed: what is shown has to be read again.
 */
export function follow(tell) {
  const url = new URL("api/v1/events", new URL("./", import.meta.url));
  let source;
  let timer = 0;

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
  open();
  return {
    close() {
      clearTimeout(timer);
      source.close();
    },
  };
}
