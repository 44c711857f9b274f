// Workers: the processes that run jobs, what each does and what it takes.

import { acting, rowButton } from "../acting.js";
import { call, get } from "../api.js";
import { ask, askFor } from "../dialog.js";
import { bytes, h } from "../dom.js";
import { keepRight } from "../live.js";
import { Table } from "../table.js";
import { span, when } from "../time.js";

const BEHIND_MS = 1200;      // what the server says of workers is a second old at most
const STATE_WORDS = { starting: "Starting", idle: "Free", busy: "At work", draining: "Ends after its job", stopping: "Ending" };
const SCALE = { properties: {
  min: { type: "integer", minimum: 0, title: "At least", description: "Empty: as configured." },
  max: { type: "integer", minimum: 1, title: "At most", description: "Empty: as configured." },
} };

const scale = () => askFor("How many workers", SCALE, { action: "Set", run: (values) => call("POST", "workers/scale", values),
  text: "It holds, restarts included, until it is set again. Those that are too many end after their present jobs." });

function columns(act) {
  const stop = async (worker) => await ask(`End ${worker.id} at once?`, worker.job ? "Its job is run again, where its function allows that."
    : "It runs nothing at the moment.", "End it") && call("DELETE", `workers/${worker.id}`);
  const post = (what) => ({ id }) => call("POST", `workers/${id}/${what}`);
  const action = (worker, label, work) => rowButton(act, label, worker.id, () => work(worker));
  return [
    { label: "Worker", head: true, draw: (worker) => [worker.id, h("span", { class: "quiet" }, ` process ${worker.pid}`)] },
    { label: "State", draw: (worker) => h("span", { class: `state ${worker.state === "busy" ? "running" : ""}` }, STATE_WORDS[worker.state] ?? worker.state) },
    { label: "Since", draw: (worker) => when(worker.since) },
    { label: "Job", draw: (worker) => worker.job && h("a", { href: `#job=${worker.job}` }, "what it does") },
    { label: "Backend", wide: true, draw: (worker) => worker.backend },
    { label: "Last heard", wide: true, draw: (worker) => when(worker.heard_at) },
    { label: "Processor time", number: true, wide: true, draw: (worker) => worker.cpu_ms !== null && span(worker.cpu_ms / 1000) },
    { label: "Memory", number: true, draw: (worker) => worker.memory_bytes !== null && bytes(worker.memory_bytes) },
    { label: "Done", number: true, wide: true, draw: (worker) => String(worker.done) },
    act && { label: "Actions", away: true, draw: (worker) => ["busy", "idle"].includes(worker.state) && h("div", { class: "actions" },
      action(worker, "Drain", post("drain")), action(worker, "Restart", post("restart")), action(worker, "End", stop)) },
  ].filter(Boolean);
}

export async function workersView(parameters, user) {
  const admin = user.scopes.includes("admin");
  const { news, act } = acting(null, () => right.soon());
  const table = new Table("Workers", columns(admin ? act : null), { key: (worker) => worker.id, empty: "There are none: they come when jobs wait." });
  const read = async () => table.show((await get("workers")).items);
  const right = keepRight(read, (name) => name === "worker.changed" || name.startsWith("job."), BEHIND_MS);
  await right.first();
  return {
    title: "Workers", wide: true,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Workers"),
      admin && h("button", { type: "button", onclick: () => act(scale) }, "How many…")), news, table.element),
    stop: right.stop,
  };
}
