// Presets: the qualities there are, those that ship and those that people made; several beside each other.

import { acting, rowButton } from "../acting.js";
import { call, get, getTagged } from "../api.js";
import { besideTable } from "../beside.js";
import { ask, askFor, tell } from "../dialog.js";
import { h, valueWords } from "../dom.js";
import { Filters, place } from "../filters.js";
import { keepRight } from "../live.js";
import { Table } from "../table.js";
import { forget, listPresets, listTemplates } from "../templates.js";
import { estimateWords, resourceWords, templateChoice } from "./resolved.js";

const AT_MOST = 4;      // beside each other
const TIERS = ["draft", "standard", "high", "ultra"];
export const USE_CASES = ["preview", "iteration", "review", "presentation", "delivery", "social", "print"];
export const presetPath = (id) => `presets/${encodeURIComponent(id)}`;

/** Deletes it, if it is really wanted; true if it was done. */
export async function removePreset(id) {
  const { tag } = await getTagged(presetPath(id));
  if (!await ask(`Delete ${id}?`, "Jobs that were accepted with it still run.", "Delete it")) return false;
  await call("DELETE", presetPath(id), undefined, { "If-Match": tag });
  return true;
}

/* ---- several beside each other ---- */

function compareTable({ items, differs }) {
  const names = [...new Set(items.flatMap((one) => Object.keys(one.parameters)))];
  return besideTable("Presets beside each other", items.map((one) => h("a", { href: `#preset=${encodeURIComponent(one.id)}` }, one.name)), [
    ["Estimate", items.map((one) => estimateWords(one.estimate)), false],
    ["Needs", items.map((one) => resourceWords(one.resources)), false],
    ["Fits", items.map((one) => (one.compatibility.compatible ? "yes" : "no")), false],
    ...names.map((name) => [name, items.map((one) => valueWords(one.parameters[name])), differs.includes(name)]),
  ]);
}

/** `compare` is a list of ids; `template` the function they are compared for. */
export async function compareView(parameters) {
  const ids = parameters.get("compare");
  const table = h("div", {});
  const template = await templateChoice("Function", () => { location.hash = place(`compare=${ids}`, { template: template.value }); }, parameters.get("template"));
  async function read() {
    if (template.value) table.replaceChildren(compareTable(await get(`presets/compare?${new URLSearchParams({ template: template.value, presets: ids })}`)));
  }

  const right = keepRight(read, (name) => name === "preset.changed" || name === "template.changed");
  await right.first();
  return {
    title: "Presets beside each other", wide: true, stop: right.stop,
    element: h("section", { class: "list" }, h("p", { class: "way" }, h("a", { href: "#presets" }, "All presets")), h("h1", { tabindex: -1 }, "Presets beside each other"),
      h("div", { class: "filters" }, template.element), table),
  };
}

/* ---- which one is right ---- */

const adviceView = (one, template) => h("li", { class: "panel" },
  h("h3", {}, h("a", { href: `#${new URLSearchParams({ function: template, quality: one.preset })}` }, one.name), !one.fits && h("span", { class: "quiet" }, " does not fit")),
  h("p", {}, estimateWords(one.estimate)), h("ul", { class: "messages" }, one.reasons.map((reason) => h("li", { class: reason.fits ? "good" : "warning" }, reason.message))));

async function recommend() {
  forget();
  const templates = (await listTemplates()).filter((template) => !template.deprecated);
  const found = await askFor("Which preset is right?", { required: ["template"], properties: {
    template: { enum: templates.map((one) => one.id), "x-labels": templates.map((one) => one.name), title: "Function" },
    use_case: { enum: USE_CASES, title: "What for" },
    max_seconds: { type: "number", minimum: 0, title: "Longest time", "x-unit": "s" },
    max_cost: { type: "number", minimum: 0, title: "Highest cost" },
  } }, { action: "Tell me", run: async (values) => ({ template: values.template, advice: await call("POST", "presets/recommend", values) }) });
  if (!found) return;
  const { template, advice } = found;
  await tell("The right preset", h("ul", { class: "repeated" }, adviceView(advice, template)),
    advice.alternatives?.length > 0 && [h("h3", {}, "The next best"), h("ul", { class: "repeated" }, advice.alternatives.map((one) => adviceView(one, template)))]);
}

/* ---- all ---- */

const ownerWords = (preset, user) => (preset.builtin ? "ships with it"
  : [preset.owner === user.key ? "yours" : "somebody else’s", preset.shared && "shared"].filter(Boolean).join(", "));

function columns(user, chosen, choose, act) {
  return [
    { label: "Compare", away: true, draw: (preset) => {
      const mark = h("input", { type: "checkbox", checked: chosen.includes(preset.id), "aria-label": `Compare ${preset.name}`, onchange: () => choose(preset.id, mark) });
      return mark;
    } },
    { label: "Preset", head: true, long: true, draw: (preset) => h("div", { class: "stack" }, h("a", { href: `#preset=${encodeURIComponent(preset.id)}` }, preset.name),
      h("span", { class: "quiet" }, preset.id)) },
    { label: "Tier", draw: (preset) => preset.tier },
    { label: "Whose", draw: (preset) => ownerWords(preset, user) },
    { label: "Good for", wide: true, draw: (preset) => (preset.use_cases ?? []).join(", ") },
    { label: "Time", number: true, draw: (preset) => preset.factors?.time && `× ${preset.factors.time}` },
    { label: "What it is", wide: true, draw: (preset) => preset.description && h("span", { class: "quiet" }, preset.description) },
    { label: "Actions", away: true, draw: (preset) => h("div", { class: "actions" }, act && [
      h("a", { class: "button small", href: place("preset=", { base: preset.id }) }, "Derive"),
      !preset.builtin && rowButton(act, "Delete…", preset.id, () => removePreset(preset.id))]) },
  ];
}

/** A file with presets, JSON or YAML, chosen by hand. */
function importField(act) {
  const input = h("input", { type: "file", id: "import", accept: ".json,.yaml,.yml", class: "away", onchange: () => {
    const [file] = input.files;
    input.value = "";
    act(async () => call("POST", "presets/import", await file.text(), { "Content-Type": file.name.endsWith(".json") ? "application/json" : "application/yaml" }));
  } });
  return [input, h("label", { for: "import", class: "button" }, "Import…")];
}

function said(done) {
  if (!done?.items) return "";
  const [first, ...others] = done.items;
  return others.length ? `${done.items.length} presets were imported.` : [h("a", { href: `#preset=${encodeURIComponent(first.id)}` }, first.name), " was imported."];
}

export async function presetsView(parameters, user) {
  const admin = user.scopes.includes("admin");
  const { news, act } = acting(said, () => {
    forget();
    right.soon();
  });
  const compare = h("a", { class: "button", hidden: true });
  const chosen = [];
  let wanted = parameters;

  function choose(id, mark) {
    if (mark.checked) chosen.push(id);
    else chosen.splice(chosen.indexOf(id), 1);
    if (chosen.length > AT_MOST) table.row(chosen.shift()).querySelector("input").checked = false;
    compare.hidden = chosen.length < 2;
    compare.textContent = `Compare ${chosen.length}`;
    compare.href = `#compare=${chosen.join(",")}`;
  }

  const table = new Table("Presets", columns(user, chosen, choose, admin ? act : null), { key: (preset) => preset.id, empty: "There is no such preset." });
  const filters = new Filters("presets", [{ name: "q", label: "Search" }, { name: "tier", label: "Tier", options: TIERS.map((tier) => [tier, tier]) }]);
  async function read() {
    const words = (wanted.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    table.show((await listPresets()).filter((preset) => (!wanted.get("tier") || preset.tier === wanted.get("tier")) &&
      words.every((word) => `${preset.id} ${preset.name} ${preset.description ?? ""}`.toLowerCase().includes(word))));
  }

  async function change(parameters) {
    wanted = parameters;
    filters.show(wanted);
    await read();
  }

  const right = keepRight(read, (name) => name === "preset.changed");
  filters.show(wanted);
  await right.first();
  return {
    title: "Presets", wide: true, stop: right.stop, change,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Presets"),
      h("div", { class: "actions" }, compare, h("button", { type: "button", onclick: () => act(recommend) }, "Which one?"),
        admin && [importField(act), h("a", { class: "button", href: place("preset=", { base: "standard" }) }, "New preset")])),
    filters.element, news, table.element),
  };
}
