// What happens on the server, for the parts of this page: one stream for all tabs where the browser can share it.

import { follow } from "./stream-source.js";

const listeners = new Set();
let port = null;
let source = null;

function hear(message) {
  for (const listener of [...listeners]) listener(message);
}

/** `listener` gets the messages of stream-source.js. Returns a function that ends it. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Begins to follow, or begins anew: somebody signed in. */
export function start() {
  if (port) {
    port.postMessage("again");
    return;
  }
  source?.close();
  if (typeof SharedWorker === "undefined") {
    source = follow(hear);
    return;
  }
  const worker = new SharedWorker(new URL("stream-worker.js", import.meta.url), { type: "module", name: "function-runner" });
  port = worker.port;
  port.onmessage = ({ data }) => hear(data);
  worker.onerror = () => {   // a browser without modules in workers
    port = null;
    source ??= follow(hear);
  };
  addEventListener("pagehide", (event) => event.persisted || port?.postMessage("bye"));
}

/** Nobody is signed in any more. */
export function stop() {
  port?.postMessage("stop");
  source?.close();
  source = null;
}
