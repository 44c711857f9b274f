// What can be made: functions by category, with a search.

import { h, icon } from "./dom.js";
import { KeptList } from "./kept.js";
import { keepRight } from "./live.js";
import { categoryWord, listTemplates } from "./templates.js";

function card(template) {
  return h("li", {}, h("a", { class: "card", href: `#function=${encodeURIComponent(template.id)}` },
    icon(template.category), h("span", { class: "name" }, template.name), h("span", { class: "quiet" }, template.description),
    template.available === false && h("span", { class: "quiet lacks" }, "Waits for a server that is not there yet")));
}

const matches = (template, words) => {
  const text = [template.id, template.name, template.description, template.category, ...(template.tags ?? [])].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

export async function libraryView() {
  const search = h("input", { type: "search", id: "search", placeholder: "title, slideshow, voice…", autocomplete: "off", oninput: show });
  const category = h("select", { id: "category", onchange: show });
  const cards = h("ul", { class: "cards", id: "functions" });
  const count = h("p", { class: "quiet", role: "status" });
  const none = h("p", { class: "notice" }, "There are no functions yet. Templates in the folder ", h("code", {}, "templates"),
    " of the data directory appear here by themselves.");
  const list = new KeptList(cards, {
    key: (template) => template.id, look: ({ name, description, category, available }) => [name, description, category, available], draw: card });
  const choices = new KeptList(category, { key: ([value]) => value, look: (choice) => choice, draw: ([value, words]) => h("option", { value }, words) });
  let templates = [];

  async function read() {
    templates = (await listTemplates()).filter((template) => !template.deprecated)
      .sort((a, b) => (b.available !== false) - (a.available !== false));   // what cannot be made now comes last
    choices.show([["", "All"], ...[...new Set(templates.map((template) => template.category))].sort().map((one) => [one, categoryWord(one)])]);
    none.hidden = templates.length > 0;
    show();
  }

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = templates.filter((template) => (!category.value || template.category === category.value) && matches(template, words));
    list.show(found);
    count.textContent = found.length === templates.length ? ""
      : found.length ? `${found.length} of ${templates.length}` : "Nothing fits. Try another word or all categories.";
  }

  const right = keepRight(read, (name) => name === "template.changed" || name === "backend.changed");
  await right.first();
  return {
    element: h("section", {},
      h("h1", { tabindex: -1 }, "What shall be made?"),
      h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
        h("div", {}, h("label", { for: "search" }, "Search"), search),
        h("div", {}, h("label", { for: "category" }, "Category"), category)),
      count, cards, none),
    stop: right.stop,
  };
}
