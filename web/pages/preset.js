// One preset: what it says, what that makes of a function, and changes to it, checked and shown while one writes.

import { acting } from "../acting.js";
import { call, getTagged, getText } from "../api.js";
import { h } from "../dom.js";
import { place } from "../filters.js";
import { Form, FormError } from "../form.js";
import { presetPath, removePreset, USE_CASES } from "./presets.js";
import { resolve, resolvedView, templateChoice } from "./resolved.js";

const PAUSE_MS = 400;      // nobody is told of a mistake in the middle of a word
const short = (title, more) => ({ type: "string", maxLength: 100, title, ...more });
const factor = (title, group) => ({ type: "number", title, "x-group": group });
const FACTORS = "In relation to standard";
const SCALING = "Of the resources and the size that a function asks for";
const PIPELINE = "How jobs are run";

const SCHEMA = { required: ["name", "base"], properties: {
  name: short("Name"), base: short("Derived from"), description: { type: "string", maxLength: 1000, title: "Description" },
  level: { type: "integer", minimum: 1, maximum: 100, title: "Place", description: "1 is the fastest." },
  shared: { type: "boolean", title: "Others may use it", default: false },
  use_cases: { type: "array", items: { type: "string" }, title: "Good for", description: `Of ${USE_CASES.join(", ")}.` },
  parameters: { type: "object", title: "Parameters", description: "As JSON, by part: generic, a category, or a function. null takes away what its base says." },
  "factors/time": factor("Time", FACTORS), "factors/resources": factor("Resources", FACTORS), "factors/cost": factor("Cost", FACTORS),
  "scaling/cpu": factor("CPU", SCALING), "scaling/memory": factor("Memory", SCALING), "scaling/vram": factor("VRAM", SCALING),
  "scaling/resolution": factor("Resolution", SCALING),
  "pipeline/vram_mb": { type: "integer", title: "VRAM that it aims at", "x-unit": "MB", "x-group": PIPELINE },
  "pipeline/optimizations": { type: "array", items: { type: "string" }, title: "Optimizations", "x-group": PIPELINE },
  "pipeline/concurrency": { type: "integer", title: "Jobs at the same time", "x-group": PIPELINE },
  "pipeline/timeout_s": { type: "integer", title: "Longest attempt", "x-unit": "s", "x-group": PIPELINE },
} };

const valueAt = (preset, name) => name.split("/").reduce((value, part) => value?.[part], preset) ?? undefined;

/** {factors: {time: 2}} as {"factors/time": 2}, for members that have a field; and back. */
const flat = (preset) => Object.fromEntries(Object.keys(SCHEMA.properties).map((name) => [name, valueAt(preset, name)]));
function nested(values) {
  const preset = {};
  for (const [name, value] of Object.entries(values)) {
    const [part, member] = name.split("/");
    if (member) (preset[part] ??= {})[member] = value;
    else preset[part] = value;
  }
  return preset;
}

/** Gives a file to the browser. */
async function download(id, type, ending) {
  const { text } = await getText(`${presetPath(id)}/export`, type);
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: `${id}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address));
}

/** `preset` is an id, empty for a new one, which is derived from `base`. */
export async function presetView(parameters, user) {
  const id = parameters.get("preset");
  const base = parameters.get("base") ?? "standard";
  let { value: stored, tag } = id ? await getTagged(presetPath(id)) : { value: { name: "", base }, tag: null };
  const mayChange = user.scopes.includes("admin") && !stored.builtin;
  const form = new Form(SCHEMA, soon, "");
  const result = resolvedView();
  const { news, act } = acting((words) => words);
  const template = await templateChoice("What it makes of", soon, parameters.get("template"));
  const title = h("h1", { tabindex: -1 }, id ? stored.name : "New preset");
  let timer = 0;
  let turn = 0;

  /** What it makes of the function; of a changed one what it would make. Mistakes are shown at the fields. */
  async function preview() {
    const mine = ++turn;
    const values = mayChange ? await form.filled() : {};
    if (!values) return;
    try {
      const resolved = await resolve(id || base, { template: template.value, inputs: {}, ...(mayChange && { changes: nested(values) }) });
      if (mine === turn) result.show(resolved);
    } catch (error) {
      if (mine !== turn) return;
      if (!error.errors?.length) throw error;
      for (const one of error.errors) one.pointer = one.pointer.replace(/^\/changes/, "");
      form.show(error, false);
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => preview().catch((error) => { news.textContent = error.message; }), PAUSE_MS);
  }

  async function save(body) {
    if (!id) {
      location.hash = `preset=${encodeURIComponent((await call("POST", "presets", body)).id)}`;
      return "";
    }
    await call("PUT", presetPath(id), body, { "If-Match": tag });
    ({ value: stored, tag } = await getTagged(presetPath(id)));
    title.textContent = stored.name;
    soon();
    return "Saved.";
  }

  async function keep(event) {
    event.preventDefault();
    clearTimeout(timer);
    turn++;
    await act(async () => {
      try {
        return await save(nested((await form.inputs())[0]));
      } catch (error) {
        if (!(error instanceof FormError) && !error.errors?.length) throw error;
        if (error.errors) form.show(error);
        return "";
      }
    });
  }

  form.fill(flat(stored));
  if (template.value) await preview();
  const head = [title, stored.builtin && h("span", { class: "state" }, "Ships with it"), id && h("div", { class: "actions" },
    h("button", { type: "button", class: "small", onclick: () => act(() => download(id, "application/yaml", "yaml")) }, "Export YAML"),
    h("button", { type: "button", class: "small", onclick: () => act(() => download(id, "application/json", "json")) }, "Export JSON"),
    user.scopes.includes("admin") && h("a", { class: "button small", href: place("preset=", { base: id }) }, "Derive"),
    mayChange && h("button", { type: "button", class: "small", onclick: () => act(async () => {
      if (await removePreset(id)) location.hash = "presets";
    }) }, "Delete…"))];
  return {
    title: id ? stored.name : "New preset", wide: true,
    element: h("section", { class: "list" }, h("p", { class: "way" }, h("a", { href: "#presets" }, "All presets")), h("div", { class: "head" }, head), news,
      h("div", { class: "sides" },
        h("form", { class: "compact", onsubmit: keep, oninput: soon, onchange: soon, novalidate: true },
          h("fieldset", { disabled: !mayChange }, form.problem, form.element),
          mayChange && h("div", { class: "submit" }, h("button", { class: "main" }, id ? "Save" : "Make it"))),
        h("section", { class: "list beside", "aria-label": "Preview" }, template.element, result.element))),
    stop() {
      turn++;
      clearTimeout(timer);
    },
  };
}
