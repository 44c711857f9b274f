// Queues: how much waits and runs, how fast, and what can be done about it; below, how jobs ended hour by hour.

import { acting, rowButton } from "../acting.js";
import { call, get } from "../api.js";
import { hourChart } from "../chart.js";
import { ask, askFor } from "../dialog.js";
import { h } from "../dom.js";
import { place } from "../filters.js";
import { keepRight, movesJobs } from "../live.js";
import { Table } from "../table.js";
import { span, when } from "../time.js";

const MINUTE_MS = 61000;   // figures of the last minute fall by themselves
const HOURS = 24;
const ENDS = [["completed", "Done"], ["failed", "Failed"], ["cancelled", "Cancelled"], ["expired", "Expired"]];

const time = (ms) => ms !== null && span(ms / 1000);
const percent = (rate) => rate !== null && `${(rate * 100).toFixed(rate > 0 && rate < 0.1 ? 1 : 0)} %`;
const limits = (queue) => [queue.concurrency !== null && `${queue.concurrency} at a time`, queue.per_minute !== null && `${queue.per_minute} a minute`].filter(Boolean).join(", ");

const pausing = { properties: { until: { type: "string", format: "date-time", title: "Until", description: "Empty: until it is resumed." } } };
const limiting = { properties: {
  concurrency: { type: "integer", minimum: 1, title: "Jobs at the same time", description: "Empty: no limit." },
  per_minute: { type: "integer", minimum: 1, title: "Started in a minute", description: "Empty: no limit." },
} };

const pause = (queue) => askFor(`Pause ${queue.name}`, pausing, { action: "Pause", run: (values) => call("POST", `queues/${queue.name}/pause`, values),
  text: "What runs goes on, and jobs are accepted as before." });
const resume = (queue) => call("POST", `queues/${queue.name}/resume`);
const limit = (queue) => askFor(`Limits of ${queue.name}`, limiting, { action: "Set", run: (values) => call("PUT", `queues/${queue.name}`, values),
  values: { concurrency: queue.concurrency ?? undefined, per_minute: queue.per_minute ?? undefined } });

async function purge(queue) {
  const sure = await ask(`Empty ${queue.name}?`, queue.waiting === 1 ? "One job that waits is cancelled. What runs goes on."
    : `${queue.waiting} jobs that wait are cancelled. What runs goes on.`, "Cancel what waits");
  return sure && call("POST", `queues/${queue.name}/purge`);
}

function stateCell(queue) {
  return h("div", { class: "stack" }, h("span", { class: `state ${queue.paused ? "paused" : "completed"}` }, queue.paused ? "Paused" : "Open"),
    h("span", { class: "quiet" }, queue.paused_until ? ["until ", when(queue.paused_until)] : "", limits(queue)));
}

function columns(act) {
  const action = (queue, label, work) => rowButton(act, label, queue.name, () => work(queue));
  return [
    { label: "Queue", head: true, draw: (queue) => h("a", { href: place("jobs", { queue: queue.name }) }, queue.name) },
    { label: "State", draw: stateCell },
    { label: "Waiting", number: true, draw: (queue) => String(queue.waiting) },
    { label: "Running", number: true, draw: (queue) => String(queue.running) },
    { label: "Started/min", number: true, wide: true, draw: (queue) => String(queue.started_per_minute) },
    { label: "Done/min", number: true, draw: (queue) => String(queue.completed_per_minute) },
    { label: "Errors", number: true, draw: (queue) => percent(queue.error_rate) },
    { label: "Mean wait", number: true, wide: true, draw: (queue) => time(queue.wait_ms) },
    { label: "Oldest since", wide: true, draw: (queue) => when(queue.oldest_at) },
    act && { label: "Actions", away: true, draw: (queue) => h("div", { class: "actions" }, queue.paused ? action(queue, "Resume", resume) : action(queue, "Pause", pause),
      action(queue, "Limits", limit), queue.waiting > 0 && action(queue, "Empty", purge)) },
  ].filter(Boolean);
}

/** [{hour, completed, failed, …}] of the last day, an entry an hour, the oldest first. */
async function readHours() {
  const first = new Date(Math.floor(Date.now() / 3600000 - HOURS + 1) * 3600000);
  const { items } = await get(`stats?by=hour&since=${first.toISOString()}&limit=500`);
  const found = new Map(items.map((item) => [Date.parse(item.hour), item]));
  return Array.from({ length: HOURS }, (_, i) => {
    const hour = first.getTime() + i * 3600000;
    return { hour: new Date(hour), values: ENDS.map(([name]) => found.get(hour)?.[name] ?? 0) };
  });
}

export async function queuesView(parameters, user) {
  const chart = h("div", {});
  let drawn = "";

  const said = (done) => done?.found !== undefined && `${done.found} ${done.found === 1 ? "job is" : "jobs are"} being cancelled.`;
  const { news, act } = acting(said, () => right.soon());
  const table = new Table("Queues", columns(user.scopes.includes("admin") ? act : null), { key: (queue) => queue.name, empty: "There are no queues." });
  async function read() {
    const [{ items }, hours] = await Promise.all([get("queues"), readHours()]);
    table.show(items);
    const look = JSON.stringify(hours);
    if (look === drawn) return;
    const open = chart.querySelector("details")?.open ?? false;
    chart.replaceChildren(hourChart("How jobs ended", ENDS, hours, open));
    drawn = look;
  }

  const right = keepRight(read, (name) => movesJobs(name) || name === "queue.changed", MINUTE_MS);
  await right.first();
  return {
    title: "Queues", wide: true,
    element: h("section", { class: "list" }, h("h1", { tabindex: -1 }, "Queues"), news, table.element, chart),
    stop: right.stop,
  };
}
