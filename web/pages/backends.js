// Backends: the places where jobs run; added, changed, drained and removed while everything goes on.

import { acting, rowButton } from "../acting.js";
import { call, get, getTagged } from "../api.js";
import { ask, askFor } from "../dialog.js";
import { bytes, h } from "../dom.js";
import { keepRight } from "../live.js";
import { Table } from "../table.js";
import { when } from "../time.js";

const LOCAL = "local";        // this machine: always there
const BEHIND_MS = 1200;       // what the server says of them is a second old at most
const TYPES = ["comfyui", "gradio"];
const STATE_WORDS = { ready: "Ready", down: "Down", suspect: "Does not stop when told", draining: "Draining", drained: "Drained", unknown: "Not asked yet" };
const STATE_LOOKS = { ready: "completed", down: "failed", suspect: "failed", draining: "paused", drained: "paused", unknown: "" };
const BREAKER_WORDS = { open: "Left alone", half_open: "One job tries it" };

const FIELDS = {
  url: { type: "string", title: "Address", maxLength: 100, description: "As in a browser, with its port: ComfyUI has 8188, Gradio 7860." },
  concurrency: { type: "integer", minimum: 1, title: "Jobs at the same time", default: 1 },
  labels: { type: "array", items: { type: "string" }, title: "Labels", description: "What functions may ask for, like gpu24." },
  ca_file: { type: "string", maxLength: 1024, title: "Certificates of its authority", description: "For https, where this machine does not know who vouches for it: a file there, in PEM.", "x-group": "More" },
  options: { type: "object", title: "Options", description: "As JSON, for those who know what this kind takes.", "x-group": "More" },
  token: { type: "string", maxLength: 120, title: "Token", "x-group": "Credentials" },
  username: { type: "string", maxLength: 100, title: "User name", "x-group": "Credentials" },
  password: { type: "string", format: "password", title: "Password", "x-group": "Credentials" },
};
const ADDING = { required: ["id", "type", "url"], properties: {
  id: { type: "string", title: "Name", maxLength: 64 }, type: { enum: TYPES, default: TYPES[0], title: "Kind" }, ...FIELDS } };
const changing = (backend) => ({ required: ["url"], properties: { ...FIELDS,
  forget: { type: "boolean", title: "Forget the credentials that are stored", default: false, "x-group": "Credentials" },
  token: { ...FIELDS.token, description: backend.has_credentials ? "Credentials are stored, and stay if nothing is given here and the address does not change." : "" } } });

/** As the API takes it: without credentials where none are given, so that those that are stored stay. */
function record({ token, username, password, forget, ca_file, ...members }) {
  const rest = { ...members, ...(ca_file && { ca_file }) };
  const credentials = { ...(token && { token }), ...(username && { username }), ...(password && { password }) };
  if (Object.keys(credentials).length) return { ...rest, credentials };
  return forget ? { ...rest, credentials: null } : rest;
}

const add = () => askFor("New backend", ADDING, { action: "Add it", run: (values) => call("POST", "backends", record(values)) });

async function change({ id }) {
  const { value, tag } = await getTagged(`backends/${id}`);
  const { url, ca_file, concurrency, labels, options } = value;
  return askFor(`Change ${id}`, changing(value), { action: "Change it", values: { url, ...(ca_file && { ca_file }), concurrency, labels, ...(Object.keys(options ?? {}).length && { options }) },
    run: (values) => call("PUT", `backends/${id}`, record(values), { "If-Match": tag }) });
}

async function remove({ id }) {
  const { tag } = await getTagged(`backends/${id}`);
  return await ask(`Remove ${id}?`, "Its address and credentials are forgotten.", "Remove it") && call("DELETE", `backends/${id}`, undefined, { "If-Match": tag });
}

/** "ComfyUI 0.3, 20.1 GB of 24 GB VRAM free, 3 checkpoints" */
function has({ found }) {
  const free = (rest, all, what) => all > 0 && `${bytes(rest)} of ${bytes(all)} ${what} free`;
  const devices = (found?.devices ?? []).map((device) => free(device.vram_free, device.vram_total, "VRAM"));
  const rooms = [free(found?.ram_free, found?.ram_total, "memory"), free(found?.disk_free, found?.disk_total, "disk")];
  const waiting = found?.queue?.pending > 0 && `${found.queue.pending} waiting there`;
  const models = Object.entries(found?.models ?? {}).filter(([, count]) => count > 0).map(([category, count]) => `${count} ${category}`);
  const nodes = found?.nodes && `${found.nodes} node classes`;
  return [found?.version && `version ${found.version}`, ...devices, ...rooms, waiting, ...models, nodes].filter(Boolean).join(", ");
}

function stateCell(backend) {
  const breaker = backend.breaker;
  return h("div", { class: "stack" }, h("span", { class: `state ${STATE_LOOKS[backend.state] ?? ""}` }, STATE_WORDS[backend.state] ?? backend.state),
    backend.state !== "ready" && backend.since && h("span", { class: "quiet" }, "since ", when(backend.since)),
    breaker && breaker.state !== "closed" && h("span", { class: "quiet" }, BREAKER_WORDS[breaker.state], breaker.open_until && [", again ", when(breaker.open_until)]),
    breaker?.reason && h("span", { class: "quiet" }, breaker.reason));
}

function columns(act) {
  const action = (backend, label, work) => rowButton(act, label, backend.id, () => work(backend));
  const post = (what) => ({ id }) => call("POST", `backends/${id}/${what}`);
  return [
    { label: "Backend", head: true, long: true, draw: (backend) => h("div", { class: "stack" }, h("span", {}, backend.id),
      h("span", { class: "quiet" }, backend.url ?? "this machine"), h("span", { class: "quiet" }, backend.labels.join(", "))) },
    { label: "Kind", draw: (backend) => backend.type },
    { label: "State", long: true, draw: stateCell },
    { label: "Running", number: true, draw: (backend) => `${backend.running} of ${backend.concurrency}` },
    { label: "Health", number: true, wide: true, draw: (backend) => Number.isFinite(backend.health?.score) && `${Math.round(backend.health.score * 100)} %` },
    { label: "Asked", wide: true, draw: (backend) => when(backend.health?.checked_at) },
    { label: "Has", wide: true, long: true, draw: has },
    act && { label: "Actions", away: true, draw: (backend) => h("div", { class: "actions" },
      backend.breaker && backend.breaker.state !== "closed" && action(backend, "Try it again", post("reset-breaker")),
      backend.id !== LOCAL && [action(backend, "Ask", post("probe")), backend.drained || backend.state === "suspect" ? action(backend, "Resume", post("resume")) : action(backend, "Drain", post("drain")),
        action(backend, "Change…", change), action(backend, "Remove…", remove)]) },
  ].filter(Boolean);
}

export async function backendsView(parameters, user) {
  const admin = user.scopes.includes("admin");
  const { news, act } = acting(null, () => right.soon());
  const table = new Table("Backends", columns(admin ? act : null), { key: (backend) => backend.id, empty: "There are none." });
  const read = async () => table.show((await get("backends")).items);
  const right = keepRight(read, (name) => ["backend.changed", "job.started", "job.completed", "job.failed", "job.cancelled", "job.retrying"].includes(name), BEHIND_MS);
  await right.first();
  return {
    title: "Backends", wide: true,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Backends"),
      admin && h("button", { type: "button", class: "main", onclick: () => act(add) }, "New backend…")), news, table.element),
    stop: right.stop,
  };
}
