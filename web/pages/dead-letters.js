// Jobs that failed for good: why, and again or away with them.

import { acting, rowButton } from "../acting.js";
import { call, get, submit } from "../api.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { Filters, pageLinks, place } from "../filters.js";
import { keepRight, movesJobs } from "../live.js";
import { Table } from "../table.js";
import { listTemplates, templatesOf } from "../templates.js";
import { when } from "../time.js";

const SHOWN = 50;
const CLASSES = ["transient", "resource", "validation", "permanent", "unknown"];
const ASKED = ["project", "template", "class", "cursor"];

/** `name(job)` is what its function is called. */
function columns(name, act) {
  const action = (job, label, work) => rowButton(act, label, name(job), () => work(job));
  const replay = (job) => submit(`dead-letters/${job.id}/replay`);
  const discard = async (job) => await ask("Discard it?", "The job itself stays; it is only no dead letter any more.", "Discard") && call("DELETE", `dead-letters/${job.id}`);
  return [
    { label: "Function", head: true, draw: (job) => h("div", { class: "stack" }, h("a", { href: `#job=${job.id}` }, name(job)),
      h("span", { class: "quiet" }, [job.project, job.shot].filter(Boolean).join(" / ")),
      h("span", { class: "quiet" }, "failed ", when(job.finished_at))) },
    { label: "What went wrong", draw: (job) => h("div", { class: "stack" }, h("span", {}, job.error?.message), h("span", { class: "quiet" }, job.error?.suggestion)) },
    { label: "Kind", draw: (job) => job.error && `${job.error.class} / ${job.error.code}` },
    { label: "Attempts", wide: true, number: true, draw: (job) => String(job.attempt) },
    act && { label: "Actions", away: true, draw: (job) => h("div", { class: "actions" }, action(job, "Run again", replay), action(job, "Discard", discard)) },
  ].filter(Boolean);
}

const said = (made) => made?.jobs ? [h("a", { href: `#batch=${made.id}` }, made.total === 1 ? "One job" : `${made.total} jobs`), " run again.",
  made.skipped?.length > 0 && ` ${made.skipped.length} cannot be: ${made.skipped[0].message || made.skipped[0].errors[0]?.message}.`].filter(Boolean)
  : made?.id && ["It runs again as ", h("a", { href: `#job=${made.id}` }, "a new job"), "."];

export async function deadLettersView(parameters, user) {
  const templates = await listTemplates();
  const admin = user.scopes.includes("admin");
  const filters = new Filters("dead-letters", [
    { name: "template", label: "Function", options: templates.map((template) => [template.id, template.name]) },
    { name: "class", label: "Kind of error", options: CLASSES.map((one) => [one, one]) },
    { name: "project", label: "Project" },
  ]);
  const { news, act } = acting(said, () => right.soon());
  const pages = pageLinks();
  const total = h("p", { class: "quiet" });
  const all = h("button", { type: "button", onclick: () => act(replayAll) }, "Run all again…");
  let wanted = parameters;

  async function replayAll() {
    const chosen = filters.values();
    const sure = await ask("Run all again?", Object.keys(chosen).length ? "All dead letters that fit the filter are run again as one batch, 1 000 at most."
      : "All dead letters are run again as one batch, 1 000 at most.", "Run again");
    return sure && submit("dead-letters/replay", chosen);
  }

  let named = new Map();      // templates of those that are shown
  const name = (job) => named.get(job.template)?.name ?? job.template;
  const table = new Table("Dead letters", columns(name, admin ? act : null), { key: (job) => job.id, empty: "Nothing failed for good.", look: (job) => [name(job), job] });
  async function read() {
    const asked = wanted;
    const query = new URLSearchParams(ASKED.filter((name) => asked.get(name)).map((name) => [name, asked.get(name)]));
    query.set("limit", SHOWN);
    const page = await get(`dead-letters?${query}`);
    const known = await templatesOf(page.items);
    if (asked !== wanted) return;      // meanwhile something else is to be shown, and is
    named = known;
    table.show(page.items);
    all.hidden = !admin || page.items.length === 0;
    total.textContent = [`${page.total} in all`, page.dropped > 0 && `${page.dropped} were dropped for newer ones`].filter(Boolean).join("; ");
    pages.show([wanted.get("cursor") && ["Newest", place("dead-letters", filters.values())],
      page.next_cursor && ["Older", place("dead-letters", { ...filters.values(), cursor: page.next_cursor })]]);
  }

  async function change(parameters) {
    wanted = parameters;
    filters.show(wanted);
    await read();
  }

  const right = keepRight(read, movesJobs);
  filters.show(wanted);
  await right.first();
  return {
    title: "Dead letters", wide: true, change,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Dead letters"), all),
      h("p", { class: "about" }, "Jobs that failed and are not tried again by themselves."), filters.element, news, table.element, total, pages.element),
    stop: right.stop,
  };
}
