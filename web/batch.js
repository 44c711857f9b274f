// A batch: all its jobs at a glance.

import { call, get } from "./api.js";
import { h } from "./dom.js";
import { stateWord } from "./elements.js";
import { KeptList } from "./kept.js";
import { keepRight } from "./live.js";
import { smallPicture, thumbnailsAwaited } from "./outputs.js";
import { findTemplate } from "./templates.js";

const THUMBNAILS_MS = 2000;
const SHOWN = 100;

function counts(batch) {
  return Object.entries(batch.counts).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${stateWord(state).toLowerCase()}`).join(" · ");
}

function tile({ job, place, category }) {
  const running = ["running", "finishing"].includes(job.state);
  return h("li", {}, h("a", { class: "tile", href: `#job=${job.id}` }, h("span", { class: "picture" }, smallPicture(job, category)),
    h("span", { class: "name" }, `${place}. ${stateWord(job.state)}`),
    running && h("progress", { max: 100, value: job.progress.percent, "aria-label": `Job ${place}` }),
    h("span", { class: "quiet" }, job.error?.message ?? `seed ${job.seed}`)));
}

export async function batchView(parameters, user) {
  const id = parameters.get("batch");
  let batch = await get(`batches/${encodeURIComponent(id)}`);
  const summary = h("p", { role: "status" });
  const bar = h("progress", { max: 100, "aria-label": "The whole batch" });
  const tiles = h("ul", { class: "tiles" });
  const list = new KeptList(tiles, {
    key: ({ job }) => job.id, draw: tile,
    look: ({ job, place, category }) => [place, category, job.state, job.error, job.seed, (job.outputs ?? []).map((output) => [output.name, output.thumbnail])],
  });
  const more = h("p", { class: "quiet" });
  const cancel = h("button", { type: "button", onclick: () => call("POST", `batches/${batch.id}/cancel`).catch((error) => { more.textContent = error.message; }) }, "Cancel all");
  const title = h("h1", { tabindex: -1 }, `Batch of ${batch.total}`);

  async function draw() {
    const { items } = await get(`jobs?batch=${batch.id}&limit=${SHOWN}`);
    const template = items.length ? await findTemplate(items[0].template).catch(() => null) : null;
    const order = new Map(batch.jobs.map((job, i) => [job, i]));
    items.sort((a, b) => (order.get(a.id) ?? Infinity) - (order.get(b.id) ?? Infinity) || (a.id < b.id ? -1 : 1));
    if (template) title.textContent = `${template.name} × ${batch.total}`;
    bar.value = batch.percent;
    summary.textContent = counts(batch);
    cancel.hidden = batch.state !== "running" || !user.scopes.includes("submit");
    list.show(items.map((job, i) => ({ job, place: i + 1, category: template?.category })));
    for (const job of items) list.element(job.id).querySelector("progress")?.setAttribute("value", job.progress.percent);
    if (items.some(thumbnailsAwaited)) right.soon(THUMBNAILS_MS);
    more.textContent = batch.total > items.length ? `${items.length} of ${batch.total} are shown.` : "";
  }

  const right = keepRight(async () => {
    batch = await get(`batches/${batch.id}`);
    await draw();
  }, (name, data) => data.batch === batch.id && name !== "job.log" && name !== "job.preview");
  await right.first();
  return {
    title: `Batch of ${batch.total}`,
    element: h("article", { class: "batch" }, h("p", { class: "way" }, h("a", { href: "#" }, "All functions")), title, summary, bar, h("div", { class: "actions" }, cancel), tiles, more),
    stop: right.stop,
  };
}
