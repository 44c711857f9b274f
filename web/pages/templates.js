// Templates: the functions there are, for those who look after them.

import { get } from "../api.js";
import { h } from "../dom.js";
import { Filters } from "../filters.js";
import { keepRight } from "../live.js";
import { Table } from "../table.js";
import { categoryWord, listTemplates } from "../templates.js";

const fits = (template, words) => words.every((word) => [template.id, template.name, template.description, ...(template.tags ?? [])].join(" ").toLowerCase().includes(word));

const COLUMNS = [
  { label: "Template", head: true, long: true, draw: (template) => h("div", { class: "stack" }, h("a", { href: `#template=${encodeURIComponent(template.id)}` }, template.name),
    h("span", { class: "quiet" }, template.id)) },
  { label: "Version", draw: (template) => [template.version, template.deprecated && [" ", h("span", { class: "state paused" }, "Deprecated")]] },
  { label: "Category", draw: (template) => categoryWord(template.category) },
  { label: "Runs on", draw: (template) => template.backend?.type },
  { label: "What it makes", wide: true, draw: (template) => template.description && h("span", { class: "quiet" }, template.description) },
];

function problemView(file, error) {
  const place = error.rule !== "readable" && `${error.file === file.file ? "" : `${error.file}, `}Line ${error.line}: `;
  return h("li", { class: "error" }, place, `${error.message} `, error.fix && h("span", { class: "quiet" }, error.fix));
}

/** Files that are not in force as they are, with what is wrong in them. */
function brokenView(files) {
  if (!files.length) return "";
  return h("details", { class: "notice error" }, h("summary", {}, files.length === 1 ? "One file is broken" : `${files.length} files are broken`),
    files.map((file) => h("div", {}, h("p", {}, h("strong", {}, file.file), file.in_force && " (its last good state is used)"),
      h("ul", { class: "messages" }, file.errors.map((error) => problemView(file, error))))));
}

export async function templatesView(parameters, user) {
  const table = new Table("Templates", COLUMNS, { key: (template) => template.id, empty: "There is no such template." });
  let templates = await listTemplates();
  const options = (values) => [...new Set(values)].sort().map((one) => [one, one]);
  const filters = new Filters("templates", [
    { name: "q", label: "Search" },
    { name: "category", label: "Category", options: options(templates.map((one) => one.category)).map(([one]) => [one, categoryWord(one)]) },
    { name: "backend", label: "Runs on", options: options(templates.map((one) => one.backend?.type ?? "")) },
  ]);
  let wanted = parameters;
  let drawn = "[]";

  function show() {
    const words = (wanted.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    table.show(templates.filter((template) => (!wanted.get("category") || template.category === wanted.get("category")) &&
      (!wanted.get("backend") || template.backend?.type === wanted.get("backend")) && fits(template, words)));
  }

  function change(parameters) {
    wanted = parameters;
    filters.show(wanted);
    show();
  }

  filters.show(wanted);
  const broken = h("div", {});
  const right = keepRight(async () => {
    const [all, { items }] = await Promise.all([listTemplates(), get("templates?state=broken&limit=100")]);
    templates = all;
    show();
    const look = JSON.stringify(items);
    if (look === drawn) return;
    drawn = look;
    const open = broken.querySelector("details")?.open;
    broken.replaceChildren(brokenView(items));
    if (open && items.length) broken.querySelector("details").open = true;      // somebody reads it
  }, (name) => name === "template.changed");
  await right.first();
  return {
    title: "Templates", wide: true, change,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Templates"),
      user.scopes.includes("admin") && h("a", { class: "button", href: "#template=&edit=yaml" }, "New template")), filters.element, broken, table.element),
    stop: right.stop,
  };
}
