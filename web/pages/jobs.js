// All jobs, the newest first, live.

import { acting } from "../acting.js";
import { call, get } from "../api.js";
import { askFor } from "../dialog.js";
import { h } from "../dom.js";
import { stateView, STATES, waitingWord } from "../elements.js";
import { Filters, pageLinks, place } from "../filters.js";
import { keepRight, movesJobs } from "../live.js";
import { smallPicture, thumbnailsAwaited } from "../outputs.js";
import { listen } from "../stream.js";
import { Table } from "../table.js";
import { forget, listTemplates, templatesOf } from "../templates.js";
import { took, when } from "../time.js";

const SHOWN = 50;
const ROUNDS = 5;            // a page of the API may be short: so many are read for one of ours
const THUMBNAILS_MS = 2000;
const ASKED = ["state", "template", "queue", "project", "shot", "batch", "node_id", "since", "until", "cursor"];
const CANCELLED = ["scheduled", "queued", "running", "retry_wait"];

/** A page of jobs as (items, the cursor behind them). */
async function readJobs(wanted) {
  const query = new URLSearchParams(ASKED.filter((name) => wanted.get(name)).map((name) => [name, wanted.get(name)]));
  const items = [];
  let cursor = null;
  for (let round = 0; round < ROUNDS && items.length < SHOWN; round++) {
    query.set("limit", SHOWN - items.length);
    const page = await get(`jobs?${query}`);
    items.push(...page.items);
    cursor = page.next_cursor;
    if (!cursor) break;
    query.set("cursor", cursor);
  }
  return { items, cursor };
}

const running = (job) => ["running", "finishing", "cancelling"].includes(job.state);

function stateCell(job) {
  return h("div", { class: "stack" }, h("span", {}, stateView(job.state)),
    running(job) && h("progress", { max: 100, value: job.progress.percent, "aria-label": "Progress" }),
    h("span", { class: "quiet" }, job.error?.message ?? waitingWord(job)));
}

const placeOf = (job) => job.project && (job.take
  ? h("a", { href: `#take=${[job.project, job.shot, job.take].map(encodeURIComponent).join("/")}` }, `${job.project} / ${job.shot} / take ${job.take}`)
  : [job.project, job.shot].filter(Boolean).join(" / "));

/** `of(job)` is its template, if that is still there. */
function columns(of) {
  return [
    { label: "Function", head: true, draw: (job) => h("a", { class: "entry plain", href: `#job=${job.id}` },
      h("span", { class: "picture" }, smallPicture(job, of(job)?.category)),
      h("span", { class: "what" }, h("span", { class: "name" }, of(job)?.name ?? job.template), h("span", { class: "quiet" }, `${job.quality} · seed ${job.seed}`))) },
    { label: "State", draw: stateCell },
    { label: "Filed in", long: true, draw: placeOf },
    { label: "Queue", wide: true, draw: (job) => `${job.queue}, priority ${job.priority}` },
    { label: "Runs on", wide: true, draw: (job) => job.backend },
    { label: "Asked for", draw: (job) => when(job.created_at) },
    { label: "Took", wide: true, number: true, draw: (job) => took(job.started_at, job.finished_at) },
  ];
}

/** Which jobs are to be cancelled; gives how many were found. */
async function cancelMany(wanted, queues) {
  forget();
  const templates = await listTemplates();
  const text = (title) => ({ type: "string", title, maxLength: 64 });
  const choice = (title, values, labels) => ({ enum: values, title, "x-labels": labels });
  return askFor("Cancel many jobs", { properties: {
    mine: { type: "boolean", title: "Only what was asked for with my key", default: true },
    project: text("Project"),
    template: choice("Function", templates.map((one) => one.id), templates.map((one) => one.name)),
    queue: choice("Queue", queues),
    state: choice("State", CANCELLED, STATES.filter(([state]) => CANCELLED.includes(state)).map(([, words]) => words)),
  } }, {
    text: "Everything that is chosen here must fit. Jobs that are asked for later are not touched.",
    values: Object.fromEntries(["project", "template", "queue", "state"].map((name) => [name, wanted.get(name) ?? undefined])),
    action: "Cancel them",
    run: ({ mine, ...rest }) => call("POST", "jobs/cancel", { ...(mine && { mine }), ...rest }),
  });
}

export async function jobsView(parameters, user) {
  const [templates, queues] = await Promise.all([listTemplates(), get("queues").then((page) => page.items.map((queue) => queue.name))]);
  const filters = new Filters("jobs", [
    { name: "state", label: "State", options: STATES },
    { name: "template", label: "Function", options: templates.map((template) => [template.id, template.name]) },
    { name: "queue", label: "Queue", options: queues.map((queue) => [queue, queue]) },
    { name: "project", label: "Project" },
    { name: "shot", label: "Shot" },
  ]);
  let named = new Map();      // templates of the jobs that are shown
  const of = (job) => named.get(job.template);
  const table = new Table("Jobs", columns(of), {
    key: (job) => job.id, empty: "There is no such job.",
    look: (job) => [of(job)?.name, of(job)?.category, job.state, job.waiting_for, job.priority, job.backend, job.take, job.error, job.finished_at,
      (job.outputs ?? []).map((output) => output.thumbnail)],
  });
  const pages = pageLinks();
  const { news, act } = acting((done) => done && (done.found === 1 ? "One job is being cancelled." : `${done.found} jobs are being cancelled.`));
  let wanted = parameters;

  async function read() {
    const asked = wanted;
    const { items, cursor } = await readJobs(asked);
    const templates = await templatesOf(items);
    if (asked !== wanted) return;      // meanwhile something else is to be shown, and is
    named = templates;
    table.show(items);
    for (const job of items) table.row(job.id).querySelector("progress")?.setAttribute("value", job.progress.percent);
    const rest = Object.fromEntries(ASKED.filter((name) => name !== "cursor" && wanted.get(name)).map((name) => [name, wanted.get(name)]));
    pages.show([wanted.get("cursor") && ["Newest", place("jobs", rest)],
      cursor && [items.length < SHOWN ? "Look further back" : "Older", place("jobs", { ...rest, cursor })]]);
    if (items.some(thumbnailsAwaited)) right.soon(THUMBNAILS_MS);
  }

  async function change(parameters) {
    wanted = parameters;
    filters.show(wanted);
    await read();
  }

  const right = keepRight(read, movesJobs);
  filters.show(wanted);
  await right.first();
  const end = listen((message) => {
    if (message.kind !== "event" || message.name !== "job.progress") return;
    table.row(message.data.job)?.querySelector("progress")?.setAttribute("value", message.data.progress.percent);
  });
  return {
    title: "Jobs", wide: true, change,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Jobs"),
      user.scopes.includes("submit") && h("button", { type: "button", class: "small", onclick: () => act(() => cancelMany(wanted, queues)) }, "Cancel many…")),
    filters.element, news, table.element, pages.element),
    stop() {
      right.stop();
      end();
    },
  };
}
