// Filters of a list: kept in the address, so that a filtered list can be kept and sent, and "back" takes a filter away.

import { h, uniqueId } from "./dom.js";
import { KeptList } from "./kept.js";

/** The address of a view with these parameters; empty ones are left out. */
export function place(view, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#${view}${given.map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join("")}`;
}

/** Links to other pages of a list: show([[words, address] or nothing, …]). */
export function pageLinks() {
  const element = h("p", { class: "actions" });
  const list = new KeptList(element, { key: ([words]) => words, look: (link) => link, draw: ([words, href]) => h("a", { class: "button", href }, words) });
  return { element, show: (links) => list.show(links.filter(Boolean)) };
}

const optionOf = ([value, words]) => h("option", { value }, words);

function field(filter, changed) {
  const id = uniqueId("filter");
  const one = { filter, written: false };      // written: and not yet taken into the address
  one.input = filter.options
    ? h("select", { id, name: filter.name, onchange: changed }, [["", filter.all ?? "All"], ...filter.options].map(optionOf))
    : h("input", { id, name: filter.name, type: "search", autocomplete: "off", spellcheck: "false", onchange: changed, oninput: () => { one.written = true; } });
  one.element = h("div", {}, h("label", { for: id }, filter.label), one.input);
  return one;
}

/** `filters`: [{name, label, options: [[value, words]], all}]; those without options are texts. */
export class Filters {
  constructor(view, filters) {
    this.view = view;
    this.fields = filters.map((filter) => field(filter, () => this.#go()));
    this.element = h("form", { class: "filters many", role: "search", onsubmit: (event) => {
      event.preventDefault();
      this.#go();
    } }, this.fields.map((one) => one.element));
  }

  #go() {
    for (const one of this.fields) one.written = false;
    location.hash = place(this.view, this.values());
  }

  values() {
    return Object.fromEntries(this.fields.map(({ filter, input }) => [filter.name, input.value.trim()]).filter(([, value]) => value));
  }

  /** What the address asks for, but for what somebody is writing. A value that is no option of ours becomes one. */
  show(parameters) {
    for (const { filter, input, written } of this.fields) {
      const value = parameters.get(filter.name) ?? "";
      if (filter.options && ![...input.options].some((option) => option.value === value)) input.append(optionOf([value, value]));
      if (!written || document.activeElement !== input) input.value = value;
    }
  }
}
