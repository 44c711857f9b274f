// The newest jobs, beside everything else.

import { get } from "./api.js";
import { ago, h } from "./dom.js";
import { stateWord } from "./elements.js";
import { smallPicture, thumbnailsAwaited } from "./outputs.js";
import { listen } from "./stream.js";
import { listTemplates } from "./templates.js";

const SHOWN = 20;
const READ = 60;        // jobs of a batch are shown as one
const READ_MS = 1000;   // at most so often
const THUMBNAILS_MS = 2000;
const AGO_MS = 30000;

function entry(job, template, count) {
  const running = ["running", "finishing", "cancelling"].includes(job.state);
  const bar = running && count === 1 && h("progress", { max: 100, value: job.progress.percent, "aria-label": "Progress" });
  const name = template?.name ?? job.template;
  return h("li", { "data-job": job.id }, h("a", { class: "entry", href: job.batch ? `#batch=${job.batch}` : `#job=${job.id}` },
    h("span", { class: "picture" }, smallPicture(job, template?.category)),
    h("span", { class: "what" }, h("span", { class: "name" }, job.batch ? `${name}, batch` : name),
      h("span", { class: "quiet" }, job.batch ? "" : `${stateWord(job.state)} · `, h("time", { datetime: job.created_at }, ago(job.created_at))), bar)));
}

export function recentView(element) {
  const list = h("ol", { class: "entries" });
  const none = h("p", { class: "quiet" }, "Jobs appear here.");
  let timer = 0;
  let last = 0;

  async function read() {
    timer = 0;
    last = Date.now();
    try {
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
      if (items.some(thumbnailsAwaited)) soon(THUMBNAILS_MS);
    } catch {
      soon();
    }
  }

  function soon(after = 0) {
    if (!timer) timer = setTimeout(read, Math.max(50, after, last + READ_MS - Date.now()));
  }

  listen((message) => {
    if (element.hidden) return;
    if (message.kind === "anew") soon();
    if (message.kind !== "event" || !message.name.startsWith("job.")) return;
    if (message.name === "job.progress") {
      const bar = list.querySelector(`[data-job="${message.data.job}"] progress`);
      if (bar) bar.value = message.data.progress.percent;
    } else if (message.name !== "job.preview") soon();
  });
  setInterval(() => {
    for (const time of list.querySelectorAll("time")) time.textContent = ago(time.dateTime);
  }, AGO_MS);
  element.replaceChildren(h("h2", {}, "Recent jobs"), none, list);
  return {
    show() {
      element.hidden = false;
      read();
    },
    hide() {
      element.hidden = true;
      list.replaceChildren();
    },
  };
}
