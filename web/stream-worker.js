// A SharedWorker: one event stream for all tabs of this page.

import { follow } from "./stream-source.js";

const ports = new Set();
let state = "connecting";
let source = null;

function tellAll(message) {
  if (message.kind === "state") state = message.state;
  for (const port of ports) port.postMessage(message);
}

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data === "bye") ports.delete(port);
    if (data === "again" || data === "stop") {   // somebody signed in or out
      source?.close();
      source = data === "again" ? follow(tellAll) : null;
      if (!source) tellAll({ kind: "state", state: "lost" });
    }
  };
  ports.add(port);
  port.postMessage({ kind: "state", state });
  source ??= follow(tellAll);
};
