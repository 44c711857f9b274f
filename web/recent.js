// The newest jobs, beside everything else.

import { get } from "./api.js";
import { h } from "./dom.js";
import { stateWord } from "./elements.js";
import { keepRight, movesJobs } from "./live.js";
import { smallPicture, thumbnailsAwaited } from "./outputs.js";
import { listen } from "./stream.js";
import { listTemplates } from "./templates.js";
import { when } from "./time.js";

const SHOWN = 20;
const READ = 60;        // jobs of a batch are shown as one
const THUMBNAILS_MS = 2000;

function entry(job, template, count) {
  const running = ["running", "finishing", "cancelling"].includes(job.state);
  const bar = running && count === 1 && h("progress", { max: 100, value: job.progress.percent, "aria-label": "Progress" });
  const name = template?.name ?? job.template;
  return h("li", { "data-job": job.id }, h("a", { class: "entry", href: job.batch ? `#batch=${job.batch}` : `#job=${job.id}` },
    h("span", { class: "picture" }, smallPicture(job, template?.category)),
    h("span", { class: "what" }, h("span", { class: "name" }, job.batch ? `${name}, batch` : name),
      h("span", { class: "quiet" }, job.batch ? "" : `${stateWord(job.state)} · `, when(job.created_at)), bar)));
}

export function recentView(element) {
  const list = h("ol", { class: "entries" });
  const none = h("p", { class: "quiet" }, "Jobs appear here.");

  async function read() {
    const [{ items }, templates] = await Promise.all([get(`jobs?limit=${READ}`), listTemplates()]);
    const seen = new Map();
    for (const job of items) {
      const key = job.batch ?? job.id;
      seen.set(key, { job: seen.get(key)?.job ?? job, count: (seen.get(key)?.count ?? 0) + 1 });
    }
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    list.replaceChildren(...[...seen.values()].slice(0, SHOWN).map(({ job, count }) => entry(job, templates.find((one) => one.id === job.template), count)));
    if (focused) list.querySelector(`[href="${focused}"]`)?.focus();
    none.hidden = items.length > 0;
    if (items.some(thumbnailsAwaited)) right.soon(THUMBNAILS_MS);
  }

  const right = keepRight(async () => element.hidden || read(), movesJobs);
  listen((message) => {
    if (message.kind !== "event" || message.name !== "job.progress") return;
    const bar = list.querySelector(`[data-job="${message.data.job}"] progress`);
    if (bar) bar.value = message.data.progress.percent;
  });
  element.replaceChildren(h("h2", {}, "Recent jobs"), none, list);
  return {
    show() {
      if (!element.hidden) return;
      element.hidden = false;
      right.soon();
    },
    hide() {
      element.hidden = true;
      list.replaceChildren();
    },
  };
}
