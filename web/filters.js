// Filters of a list: kept in the address, so that a filtered list can be kept and sent, and "back" takes a filter away.

import { h, uniqueId } from "./dom.js";

/** The address of a view with these parameters; empty ones are left out. */
export function place(view, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#${view}${given.map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join("")}`;
}

function field(filter, changed) {
  const id = uniqueId("filter");
  const input = filter.options
    ? h("select", { id, name: filter.name, onchange: changed }, h("option", { value: "" }, filter.all ?? "All"))
    : h("input", { id, name: filter.name, type: "search", autocomplete: "off", spellcheck: "false", onchange: changed });
  return { filter, input, element: h("div", {}, h("label", { for: id }, filter.label), input) };
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
    location.hash = place(this.view, this.values());
  }

  values() {
    return Object.fromEntries(this.fields.map(({ filter, input }) => [filter.name, input.value.trim()]).filter(([, value]) => value));
  }

  /** What the address asks for. A value that is no option of ours becomes one. */
  show(parameters) {
    for (const { filter, input } of this.fields) {
      const value = parameters.get(filter.name) ?? "";
      if (filter.options) {
        const options = [["", filter.all ?? "All"], ...filter.options];
        if (value && !options.some(([one]) => one === value)) options.push([value, value]);
        input.replaceChildren(...options.map(([one, words]) => h("option", { value: one }, words)));
      }
      input.value = value;
    }
  }
}
