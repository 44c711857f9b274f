// A template is made or changed: as a form or as YAML, checked while one writes.

import { acting } from "../acting.js";
import { call, getText, Problem } from "../api.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { Editor } from "../editor.js";
import { place } from "../filters.js";
import { FormError } from "../form.js";
import { forget } from "../templates.js";
import { toYaml } from "../yaml.js";
import { TemplateForm } from "./template-form.js";

const PAUSE_MS = 400;      // nobody is told of a mistake in the middle of a word
const YAML = "application/yaml";
const JSON_TYPE = "application/json";
const FIRST = {
  id: "my_function", version: "1.0.0", name: "My Function", description: "What it makes, in a sentence.", category: "text",
  inputs: { text: { type: "string", required: true, max_length: 200, label: "Text" } },
  outputs: { text: { type: "text", media_type: "text/plain" } },
  timeout_s: 60, examples: [{ name: "A greeting", inputs: { text: "hello" } }],
  backend: { type: "noop" },
};

const versionPath = (id, version) => `templates/${encodeURIComponent(id)}/versions/${encodeURIComponent(version)}`;
const messageView = (one) => h("li", { class: one.kind }, one.pointer && h("code", {}, one.pointer), " ", one.message,
  one.fix && h("span", { class: "quiet" }, `: ${one.fix}`));
const found = (report) => [...(report.errors ?? []).map((one) => ({ ...one, kind: "error" })), ...(report.warnings ?? []).map((one) => ({ ...one, kind: "warning" }))];

/** "1.2.3" as "1.2.4". */
const next = (version) => version.replace(/\d+$/, (last) => Number(last) + 1);

function begin(from) {
  const [id, version] = from?.split("@") ?? [];
  const definition = version ? { id, version: next(version), extends: from } : FIRST;
  return { text: toYaml(definition), tag: null, definition };
}

/** What there is: {text, tag, definition}. */
async function load(id, version, from) {
  if (!id) return begin(from);
  const [{ text, type, tag }, parsed] = await Promise.all([getText(versionPath(id, version), YAML), getText(versionPath(id, version), JSON_TYPE)]);
  const definition = JSON.parse(parsed.text);
  return { text: type.includes("yaml") ? text : toYaml(definition), tag, definition };
}

/** The report; also of a text that cannot be read at all, of which the server only says where. */
async function validate(body, type) {
  try {
    return await call("POST", "templates/validate", body, { "Content-Type": type });
  } catch (error) {
    const [, line, message] = /:(\d+):\d+: (.*)$/.exec(error.message) ?? [];
    if (!(error instanceof Problem) || error.status !== 400 || !line) throw error;
    return { valid: false, errors: [{ line: Number(line), pointer: "", message, fix: null }], warnings: [] };
  }
}

/** `template` is an id, empty for a new one; `version` one of it; `edit` "form" or "yaml"; `from` (ID@VERSION) what a new one extends. */
export async function templateEditView(parameters) {
  const id = parameters.get("template");
  const version = parameters.get("version");
  const stored = await load(id, version, parameters.get("from"));
  const form = new TemplateForm(soon);
  const editor = new Editor("The template as YAML", soon);
  const messages = h("ul", { class: "messages" });
  const verdict = h("p", { class: "verdict", role: "status" });
  const { news, act } = acting((words) => words);
  const tabs = h("div", { class: "actions", role: "group", "aria-label": "How to edit it" });
  const save = h("button", { type: "button", class: "main", onclick: () => act(keep) }, "Save");
  let mode = null;
  let shownText = stored.text;      // what the editor held when it was shown
  let timer = 0;
  let turn = 0;

  const isThis = (report) => id && report.id === id && report.version === version;

  /** What is edited, as it is sent: [body, its media type]. */
  const written = async (focus) => (mode === "yaml" ? [editor.value, YAML] : [JSON.stringify(await form.get(focus)), JSON_TYPE]);

  async function check(focus = false) {
    const mine = ++turn;
    clearTimeout(timer);
    const [body, type] = await written(focus);
    const report = await validate(body, type);
    if (mine !== turn) return report;
    const list = found(report).filter((one) => one.rule !== "unique" || !isThis(report));      // that it is there already is why it is edited
    if (mode === "yaml") editor.show(list);
    else form.mark(report.errors ?? []);
    messages.replaceChildren(...(mode === "yaml" ? [] : list.map(messageView)));
    verdict.textContent = report.valid ? "It is valid." : `${report.errors.length === 1 ? "One thing is" : `${report.errors.length} things are`} wrong.`;
    verdict.className = `verdict ${report.valid ? "good" : "bad"}`;
    return report;
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => check().catch((error) => { verdict.textContent = error instanceof FormError ? "" : error.message; }), PAUSE_MS);
  }

  async function keep() {
    const report = await check(true).catch((error) => {
      if (!(error instanceof FormError)) throw error;
      return null;
    });
    if (!report?.valid) return "It was not saved: correct what is wrong first.";
    const [body, type] = await written(true);
    if (isThis(report)) await call("PUT", versionPath(id, version), body, { "Content-Type": type, "If-Match": stored.tag });
    else await call("POST", "templates", body, { "Content-Type": type });
    forget();
    location.hash = place(`template=${encodeURIComponent(report.id)}`, { version: report.version });
    return "";
  }

  async function showText() {
    editor.value = shownText = mode === "form" ? toYaml(await form.get(true)) : stored.text;
    mode = "yaml";
  }

  /** The form cannot read YAML: it has what it had, or what is stored. */
  async function showForm() {
    const changed = editor.value !== shownText;
    if (changed && !await ask("Leave what you wrote?", "The form shows the template as it is stored; what was changed in the text is lost.", "Show the form")) return;
    if (changed || shownText === stored.text) form.set(stored.definition);
    mode = "form";
  }

  async function show(wanted) {
    if (wanted !== mode) await (wanted === "yaml" ? showText() : showForm());
    form.element.hidden = mode !== "form";
    editor.element.hidden = mode !== "yaml";
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.mode === mode));
    soon();
  }

  tabs.append(...[["form", "As a form"], ["yaml", "As YAML"]].map(([name, words]) => h("button", { type: "button", class: "small", "data-mode": name,
    onclick: () => act(() => show(name).catch((error) => {
      if (!(error instanceof FormError)) throw error;
      return "Complete the form first.";
    })) }, words)));
  editor.value = stored.text;
  await show(parameters.get("edit") === "yaml" ? "yaml" : "form");
  return {
    title: id ? `Edit ${id}` : "New template", wide: true,
    element: h("section", { class: "list edit" },
      h("p", { class: "way" }, h("a", { href: id ? `#template=${encodeURIComponent(id)}` : "#templates" }, id || "All templates")),
      h("div", { class: "head" }, h("h1", { tabindex: -1 }, id ? `Edit ${id} ${version}` : "New template"), tabs),
      form.element, editor.element, messages, h("div", { class: "submit" }, save, verdict), news),
    stop() {
      turn++;
      clearTimeout(timer);
    },
  };
}
