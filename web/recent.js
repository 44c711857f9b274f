// The newest jobs, beside everything else.

import { get } from "./api.js";
import { h } from "./dom.js";
import { stateWord } from "./elements.js";
import { KeptList } from "./kept.js";
import { keepRight, movesJobs } from "./live.js";
import { smallPicture, thumbnailsAwaited } from "./outputs.js";
import { listen } from "./stream.js";
import { templatesOf } from "./templates.js";
import { when } from "./time.js";

const SHOWN = 20;
const READ = 60;        // jobs of a batch are shown as one
const THUMBNAILS_MS = 2000;

const runs = (job) => ["running", "finishing", "cancelling"].includes(job.state);

function entryView({ job, template, count }) {
  const bar = runs(job) && count === 1 && h("progress", { max: 100, value: job.progress.percent, "aria-label": "Progress" });
  const name = template?.name ?? job.template;
  return h("li", { "data-job": job.id }, h("a", { class: "entry", href: job.batch ? `#batch=${job.batch}` : `#job=${job.id}` },
    h("span", { class: "picture" }, smallPicture(job, template?.category)),
    h("span", { class: "what" }, h("span", { class: "name" }, job.batch ? `${name}, batch` : name),
      h("span", { class: "quiet" }, job.batch ? "" : `${stateWord(job.state)} · `, when(job.created_at)), bar)));
}

export function recentView(element) {
  const list = h("ol", { class: "entries" });
  const none = h("p", { class: "quiet" }, "Jobs appear here.");
  const entries = new KeptList(list, {
    key: ({ job }) => job.batch ?? job.id, draw: entryView,
    look: ({ job, template, count }) => [job.id, job.state, template?.name, template?.category, count, (job.outputs ?? []).map((output) => [output.name, output.thumbnail])],
  });

  const setBar = (id, percent) => list.querySelector(`[data-job="${id}"] progress`)?.setAttribute("value", percent);

  async function read() {
    const { items } = await get(`jobs?limit=${READ}`);
    const templates = await templatesOf(items);
    const seen = new Map();
    for (const job of items) {
      const key = job.batch ?? job.id;
      seen.set(key, { job: seen.get(key)?.job ?? job, count: (seen.get(key)?.count ?? 0) + 1 });
    }
    entries.show([...seen.values()].slice(0, SHOWN).map(({ job, count }) => ({ job, count, template: templates.get(job.template) })));
    for (const job of items) setBar(job.id, job.progress.percent);
    none.hidden = items.length > 0;
    if (items.some(thumbnailsAwaited)) right.soon(THUMBNAILS_MS);
  }

  const right = keepRight(async () => element.hidden || read(), movesJobs);
  listen((message) => {
    if (message.kind === "event" && message.name === "job.progress") setBar(message.data.job, message.data.progress.percent);
  });
  element.replaceChildren(h("h2", {}, "Recent jobs"), none, list);
  return {
    /** Whatever was done on the page before, a deletion for one, may be seen here. */
    show() {
      element.hidden = false;
      right.soon();
    },
    hide() {
      element.hidden = true;
      entries.show([]);
    },
  };
}
