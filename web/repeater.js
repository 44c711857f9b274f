// A list of small forms: one for each thing of a kind, in an order that counts.

import { h } from "./dom.js";
import { Form } from "./form.js";

export class Repeater {
  #entries = [];      // {form, rest, element}

  /** `one` is what a thing is called, `title(values)` what stands above its form; `changed()` when something was done. */
  constructor(label, one, schema, title, changed) {
    Object.assign(this, { one, schema, title, changed });
    this.list = h("div", { class: "repeated" });
    this.element = h("fieldset", { class: "group" }, h("legend", {}, label), this.list,
      h("p", {}, h("button", { type: "button", class: "small", onclick: () => {
        this.#add({}).form.fields[0].focus();
        this.changed();
      } }, `Add ${one}`)));
  }

  #add(values) {
    const form = new Form(this.schema, this.changed, "");
    const known = Object.fromEntries(form.fields.map((field) => [field.name, values[field.name]]));
    const entry = { form };
    const button = (label, work) => h("button", { type: "button", class: "small", onclick: () => {
      work();
      this.changed();
    } }, label);
    entry.summary = h("summary", {}, this.title(values) || `New ${this.one}`);
    entry.element = h("details", { class: "panel" }, entry.summary, form.problem, form.element, h("div", { class: "actions" },
      button("Move up", () => this.#up(entry)), button("Remove", () => this.#remove(entry))));
    entry.element.open = Object.keys(values).length === 0;
    form.fill(known);
    this.#entries.push(entry);
    this.list.append(entry.element);
    return entry;
  }

  #up(entry) {
    const place = this.#entries.indexOf(entry);
    if (place === 0) return;
    this.#entries.splice(place, 1);
    this.#entries.splice(place - 1, 0, entry);
    this.list.insertBefore(entry.element, this.#entries[place].element);
  }

  #remove(entry) {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    entry.element.remove();
  }

  set(list) {
    this.#entries = [];
    this.list.replaceChildren();
    for (const values of list) this.#add(values);
  }

  /** Values of all, in order. Throws FormError when one cannot be read. */
  async get(focus) {
    const all = [];
    for (const entry of this.#entries) {
      const [values] = await entry.form.inputs(focus).catch((error) => {
        entry.element.open = true;
        throw error;
      });
      entry.summary.textContent = this.title(values) || `New ${this.one}`;
      all.push(values);
    }
    return all;
  }
}
