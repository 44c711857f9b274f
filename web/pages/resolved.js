// What a preset makes of a function: parameters with where each is from, what it needs, and how long it takes.

import { call } from "../api.js";
import { bytes, h, seconds, valueWords } from "../dom.js";
import { Table } from "../table.js";
import { listTemplates } from "../templates.js";

const ORIGIN_WORDS = { default: "the function", preset: "the preset", template: "the function, for this quality", input: "an input" };
const OLD_TEMPLATE = "function-runner.preview";

/** Resources in words: "2 CPUs · 4.0 GB memory". */
export function resourceWords(resources) {
  const { cpu, memory_mb: memory, gpu, vram_mb: vram, disk_mb: disk } = resources ?? {};
  return [cpu > 0 && `${+cpu.toFixed(2)} CPU`, memory > 0 && `${bytes(memory * 1e6)} memory`, gpu > 0 && `${gpu} GPU`, vram > 0 && `${bytes(vram * 1e6)} VRAM`,
    disk > 0 && `${bytes(disk * 1e6)} disk`].filter(Boolean).join(" · ");
}

const BASIS_WORDS = { tiers: "runs at other qualities", category: "what is usual for its kind" };

/** Time and cost in words, with how sure that is and what it comes from. */
export function estimateWords(estimate) {
  if (!estimate) return "";
  const { seconds: time, seconds_low: low, seconds_high: high, cost, confidence, runs, basis } = estimate;
  const range = high - low > 1 && ` (${Math.round(low)} to ${seconds(high)})`;
  const from = basis === "runs" ? `${runs} past ${runs === 1 ? "run" : "runs"}` : BASIS_WORDS[basis] ?? basis;
  return [(time < 1 ? seconds(time) : `about ${seconds(time)}`) + (range || ""), cost > 0 && `cost ${+cost.toPrecision(2)}`,
    `${Math.round(confidence * 100)} % sure, from ${from}`].filter(Boolean).join(" · ");
}

const rememberedTemplate = () => {
  try {
    return localStorage.getItem(OLD_TEMPLATE);
  } catch {
    return null;
  }
};

/** A choice of function; `changed()` when another was chosen. Its value is an id. */
export async function templateChoice(label, changed, chosen) {
  const templates = (await listTemplates()).filter((template) => !template.deprecated);
  const first = [chosen, rememberedTemplate(), templates[0]?.id].find((id) => templates.some((one) => one.id === id));
  const select = h("select", { name: "template", onchange: () => {
    try {
      localStorage.setItem(OLD_TEMPLATE, select.value);
    } catch {
      // a browser that keeps nothing
    }
    changed();
  } }, templates.map((template) => h("option", { value: template.id }, template.name)));
  select.value = first ?? "";
  return { element: h("label", { class: "field" }, label, select), get value() { return select.value; } };
}

export const resolve = (preset, body) => call("POST", `presets/${encodeURIComponent(preset)}/resolve`, body);

/** A part of a page; `show(resolved)` draws what the API gave. */
export function resolvedView() {
  const table = new Table("Resolved parameters", [
    { label: "Parameter", head: true, long: true, draw: (one) => one.name },
    { label: "Value", long: true, draw: (one) => valueWords(one.value) },
    { label: "From", draw: (one) => ORIGIN_WORDS[one.origin] ?? one.origin },
  ], { key: (one) => one.name, empty: "This function has no parameters." });
  const verdict = h("p", { class: "verdict", role: "status" });
  const reasons = h("ul", { class: "messages" });
  const facts = h("p", {});
  return {
    element: h("div", { class: "list" }, verdict, reasons, facts, table.element),
    show({ parameters, origins, resources, estimate, compatibility }) {
      verdict.textContent = !compatibility.compatible ? "This function cannot be run with it." : "";
      verdict.className = "verdict bad";
      reasons.replaceChildren(...compatibility.reasons.map((reason) => h("li", { class: reason.blocking ? "error" : "warning" }, reason.message)));
      facts.textContent = [estimateWords(estimate), resourceWords(resources)].filter(Boolean).join(" · ");
      table.show(Object.entries(parameters).map(([name, value]) => ({ name, value, origin: origins[name] })));
    },
  };
}
