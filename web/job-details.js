// What is behind a job, for those who want to know: stages, attempts, log, parameters.

import { get } from "./api.js";
import { bytes, h } from "./dom.js";
import { stageWord, stateView } from "./elements.js";
import { keepRight, movesJobs } from "./live.js";
import { Table } from "./table.js";
import { took, when } from "./time.js";

const LINES = 200;       // read at a time
const LINES_MOST = 2000; // the newest are kept
const percent = (fraction) => `${Math.round(fraction * 100)} %`;

/** A part that can be opened, and is read only while it is open: again after each event of this job that `concerns(name)`. */
function part(id, title, content, read, concerns) {
  const element = h("details", { class: "technical", ontoggle: () => element.open && right.soon() }, h("summary", {}, title), content);
  const right = keepRight(async () => element.open && read(), (name, data) => data.job === id && name !== "job.deleted" && concerns(name));
  return { element, stop: right.stop };
}

export function logView(id) {
  const lines = h("ol", { class: "log", tabindex: 0, "aria-label": "Log" });
  const none = h("p", { class: "quiet" }, "Nothing was logged yet.");
  let after = 0;
  async function read() {
    for (;;) {
      const { items } = await get(`jobs/${id}/log?after=${after}&limit=${LINES}`);
      lines.append(...items.map((line) => h("li", { class: line.level }, h("time", { datetime: line.time }, line.time.slice(11, 19)), " ", line.text)));
      while (lines.childElementCount > LINES_MOST) lines.firstElementChild.remove();
      after = items.at(-1)?.n ?? after;
      none.hidden = after > 0;
      lines.hidden = after === 0;
      if (items.length < LINES) return;
    }
  }
  lines.hidden = true;
  return part(id, "Log", [none, lines], read, (name) => name !== "job.progress" && name !== "job.preview");
}

const errorCell = ({ error }) => error && h("div", { class: "stack" }, h("span", {}, error.message), h("span", { class: "quiet" }, `${error.class} / ${error.code}`),
  error.detail && h("pre", { tabindex: 0 }, error.detail));

export function attemptsView(id) {
  const table = new Table("Attempts", [
    { label: "Attempt", head: true, draw: (one) => (one.attempt === 0 ? "before the first" : String(one.attempt)) },
    { label: "State", draw: (one) => stateView(one.state) },
    { label: "Ran on", draw: (one) => [one.backend, one.worker].filter(Boolean).join(", ") },
    { label: "Why there", wide: true, draw: (one) => one.placement },
    { label: "Began", draw: (one) => when(one.started_at) },
    { label: "Took", number: true, draw: (one) => took(one.started_at, one.finished_at) },
    { label: "Memory", number: true, wide: true, draw: (one) => one.rss_max > 0 && bytes(one.rss_max) },
    { label: "Error", long: true, draw: errorCell },
  ], { key: (one) => String(one.attempt), empty: "It was not tried yet." });
  return part(id, "Attempts", table.element, async () => table.show((await get(`jobs/${id}/attempts`)).items), movesJobs);
}

/** `show(job)` whenever it changed. */
export function stagesView() {
  const table = new Table("Stages", [
    { label: "Stage", head: true, draw: (stage) => stageWord(stage.name) },
    { label: "State", draw: (stage) => stateView(stage.state) },
    { label: "Done", number: true, draw: (stage) => percent(stage.fraction) },
    { label: "Began", draw: (stage) => when(stage.started_at) },
    { label: "Took", number: true, draw: (stage) => took(stage.started_at, stage.finished_at) },
  ], { key: (stage) => stage.name, empty: "It has no stages yet." });
  let newest = null;
  const element = h("details", { class: "technical", ontoggle: draw }, h("summary", {}, "Stages"), table.element);
  function draw() {
    if (element.open && newest) table.show(newest.progress.stages ?? []);
  }
  return { element, show(job) {
    newest = job;
    draw();
  } };
}

export const parametersView = (job) => h("details", { class: "technical" }, h("summary", {}, "All parameters"),
  h("pre", { tabindex: 0 }, JSON.stringify(job.parameters ?? {}, null, 2)));
