// The same inputs at several qualities: results beside each other, with what was measured of them.

import { get } from "../api.js";
import { besideTable } from "../beside.js";
import { h, valueWords } from "../dom.js";
import { stateView } from "../elements.js";
import { KeptList } from "../kept.js";
import { keepRight, movesJobs } from "../live.js";
import { facts, outputView, thumbnailsAwaited } from "../outputs.js";
import { listen } from "../stream.js";
import { findTemplate, listPresets } from "../templates.js";
import { span } from "../time.js";

const THUMBNAILS_MS = 2000;
const round = (number, unit = "") => (Number.isFinite(number) ? `${+number.toPrecision(3)}${unit}` : "");
const MEASURED = [
  ["Size", (output) => facts(output)],
  ["Sharpness", (output) => round(output.sharpness)],
  ["Bit rate", (output) => round(output.bit_rate / 1000, " kbit/s")],
  ["Loudness", (output) => round(output.loudness, " LUFS")],
];

function sideView({ item, name }) {
  const bar = ["running", "finishing", "queued"].includes(item.state) && h("progress", { max: 100, value: item.progress.percent, "aria-label": name });
  return h("section", { class: "side", "aria-label": name, "data-job": item.job },
    h("h2", {}, h("a", { href: `#job=${item.job}` }, name), " ", stateView(item.state)), bar,
    item.error && h("p", { class: "error" }, item.error.message),
    item.outputs.map((output) => outputView(output, `${name}: ${output.name}`)));
}

const tableView = ({ items, differs }, names) => besideTable("What was measured, and what made it", names, [
  ["Took", items.map((item) => (item.seconds === null ? "" : span(item.seconds))), false],
  ...MEASURED.map(([label, measure]) => [label, items.map((item) => (item.outputs[0] ? measure(item.outputs[0]) : "")), false]),
  ...differs.map((name) => [name, items.map((item) => valueWords(item.parameters[name])), true]),
]);

export async function comparisonView(parameters) {
  const id = parameters.get("comparison");
  const title = h("h1", { tabindex: -1 });
  const sides = h("div", { class: "sides" });
  const table = h("div", {});
  const bar = h("progress", { max: 100, "aria-label": "All of it" });
  const list = new KeptList(sides, { key: ({ item }) => item.job, look: ({ item: { progress, ...rest }, name }) => [rest, name], draw: sideView });

  async function read() {
    const [comparison, presets] = await Promise.all([get(`comparisons/${encodeURIComponent(id)}`), listPresets()]);
    const template = await findTemplate(comparison.template);
    const names = comparison.items.map((item) => presets.find((preset) => preset.id === item.quality)?.name ?? item.quality);
    bar.value = comparison.percent;
    bar.hidden = comparison.state !== "running";
    if (comparison.items.some((item) => thumbnailsAwaited({ ...item, finished_at: comparison.created_at }))) right.soon(THUMBNAILS_MS);
    if ([...sides.querySelectorAll("video, audio")].some((one) => one.currentTime > 0)) return;   // nobody's film is cut off
    title.textContent = `${template?.name ?? comparison.template} at ${names.length} qualities`;
    list.show(comparison.items.map((item, i) => ({ item, name: names[i] })));
    table.replaceChildren(tableView(comparison, names));
  }

  const right = keepRight(read, (name, data) => data.batch === id && movesJobs(name));
  await right.first();
  const end = listen((message) => {
    if (message.kind !== "event" || message.name !== "job.progress") return;
    const one = sides.querySelector(`[data-job="${message.data.job}"] progress`);
    if (one) one.value = message.data.progress.percent;
  });
  return {
    title: "Qualities beside each other", wide: true,
    element: h("section", { class: "list" }, h("p", { class: "way" }, h("a", { href: "#" }, "All functions"), " · ",
      h("a", { href: `#batch=${encodeURIComponent(id)}` }, "as a batch")),
      title, bar, sides, table),
    stop() {
      right.stop();
      end();
    },
  };
}
