// One template: what it takes, makes and needs, its versions, and what can be done with them.

import { acting, rowButton } from "../acting.js";
import { call, get, getTagged } from "../api.js";
import { ask, askFor } from "../dialog.js";
import { h, valueWords } from "../dom.js";
import { place } from "../filters.js";
import { keepRight } from "../live.js";
import { Table } from "../table.js";
import { categoryWord } from "../templates.js";
import { when } from "../time.js";
import { templateEditView } from "./template-edit.js";

const DEPRECATING = { properties: {
  sunset: { type: "string", format: "date-time", title: "Ends", description: "When it will be gone; empty: not decided." },
  successor: { type: "string", maxLength: 100, title: "Successor", description: "What to use instead, like create_title_card@2." },
} };
const path = (id, version) => `templates/${encodeURIComponent(id)}/versions/${encodeURIComponent(version)}`;

function bounds(input) {
  return [input.required && "needed", input.min !== undefined && `from ${input.min}`, input.max !== undefined && `to ${input.max}`,
    input.max_length !== undefined && `at most ${input.max_length} characters`, input.enum && `one of ${input.enum.map(valueWords).join(", ")}`,
    input.media && input.media.join(", "), input.pattern && `like ${input.pattern}`].filter(Boolean).join(", ");
}

const INPUT_COLUMNS = [
  { label: "Input", head: true, draw: (input) => input.name },
  { label: "Type", draw: (input) => [input.type, input.format].filter(Boolean).join(", ") },
  { label: "Default", long: true, draw: (input) => input.default !== undefined && valueWords(input.default) },
  { label: "Bounds", long: true, draw: bounds },
  { label: "For people", wide: true, draw: (input) => [input.label, input.description].filter(Boolean).join(": ") },
];

const named = (things) => Object.entries(things ?? {}).map(([name, thing]) => ({ name, ...thing }));
const json = (title, value) => value !== undefined && Object.keys(value).length > 0 && h("details", { class: "technical" }, h("summary", {}, title),
  h("pre", { tabindex: 0 }, JSON.stringify(value, null, 2)));

const PARTS = ["outputs", "parameters", "presets", "variants", "resolution", "optimizations", "resources", "limits", "retry", "errors", "stages", "models", "examples",
  "backend"];

function aboutView(template) {
  const inputs = new Table("Inputs", INPUT_COLUMNS, { key: (input) => input.name, empty: "It takes nothing." });
  const facts = [["Id", template.id], ["Category", categoryWord(template.category)], ["Runs on", template.backend?.type], ["Queue", template.queue], ["Author", template.author],
    ["Tags", template.tags?.join(", ")], ["Can", template.capabilities?.join(", ")],
    ["Longest attempt", template.timeout_s && `${template.timeout_s} s`], ["Extends", template.extends]];
  inputs.show(named(template.inputs));
  return [
    h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    h("h2", {}, "Inputs"), inputs.element,
    h("div", {}, PARTS.map((part) => json(part.charAt(0).toUpperCase() + part.slice(1), template[part]))),
  ];
}

function versionState({ deprecated }) {
  if (!deprecated) return h("span", { class: "state completed" }, "In use");
  const { sunset, successor } = deprecated;
  return h("div", { class: "stack" }, h("span", { class: "state paused" }, "Deprecated"),
    h("span", { class: "quiet" }, sunset && ["ends ", when(sunset)], successor && ` use ${successor}`));
}

/** `without` is that of what is kept right. */
function versionColumns(act, user, without) {
  const deprecate = (one) => askFor(`Deprecate ${one.id} ${one.version}`, DEPRECATING, { action: "Deprecate it",
    run: (values) => call("POST", `${path(one.id, one.version)}/deprecate`, values),
    text: "It goes on working; whoever uses it is told." });
  const again = (one) => call("POST", `${path(one.id, one.version)}/deprecate`, { deprecated: false });
  async function remove(one) {
    const { tag } = await getTagged(path(one.id, one.version));
    if (!await ask(`Delete ${one.id} ${one.version}?`, "Jobs that were accepted with it still run.", "Delete it")) return;
    await without(async () => {
      await call("DELETE", path(one.id, one.version), undefined, { "If-Match": tag });
      const { items } = await get(`templates/${encodeURIComponent(one.id)}/versions`).catch(() => ({ items: [] }));
      location.hash = items.length ? `template=${encodeURIComponent(one.id)}` : "templates";
    });
  }
  const action = (one, label, work) => rowButton(act, label, one.version, () => work(one));
  return [
    { label: "Version", head: true, draw: (one) => h("a", { href: place(`template=${encodeURIComponent(one.id)}`, { version: one.version }) }, one.version) },
    { label: "State", draw: versionState },
    { label: "From", long: true, draw: (one) => (one.source === "api" ? "made here" : one.source) },
    user.scopes.includes("admin") && { label: "Actions", away: true, draw: (one) => h("div", { class: "actions" },
      one.source === "api" && h("a", { class: "button small", href: place(`template=${encodeURIComponent(one.id)}`, { version: one.version, edit: "form" }) }, "Edit"),
      h("a", { class: "button small", href: place("template=", { from: `${one.id}@${one.version}`, edit: "yaml" }) }, "Derive"),
      one.deprecated ? action(one, "Use again", again) : action(one, "Deprecate…", deprecate), one.source === "api" && action(one, "Delete…", remove)) },
  ].filter(Boolean);
}

async function detailView(id, version, user) {
  const { news, act } = acting(null, () => right.soon());
  const versions = new Table("Versions", versionColumns(act, user, (work) => right.without(work)), { key: (one) => one.version, empty: "None is left." });
  const about = h("div", { class: "list" });
  const title = h("h1", { tabindex: -1 });
  const description = h("p", { class: "about" });
  let drawn = "";

  async function read() {
    const reference = version ? `${id}@${version}` : id;
    const [template, { items }] = await Promise.all([get(`templates/${encodeURIComponent(reference)}`), get(`templates/${encodeURIComponent(id)}/versions`)]);
    versions.show(items);
    const look = JSON.stringify(template);
    if (look === drawn) return;
    drawn = look;
    title.textContent = `${template.name} ${template.version}`;
    description.textContent = template.description;
    about.replaceChildren(...aboutView(template));
  }

  const right = keepRight(read, (name) => name === "template.changed");
  await right.first();
  return {
    title: id, wide: true, stop: right.stop,
    element: h("section", { class: "list" }, h("p", { class: "way" }, h("a", { href: "#templates" }, "All templates")),
      h("div", { class: "head" }, title, h("a", { class: "button", href: `#function=${encodeURIComponent(id)}` }, "Use it")), description, news, versions.element, about),
  };
}

/** `template` is an id, `version` one of it; with `edit` it is changed (template-edit.js). */
export async function templateView(parameters, user) {
  const id = parameters.get("template");
  return parameters.has("edit") ? templateEditView(parameters) : detailView(id, parameters.get("version"), user);
}
