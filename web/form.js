// The form of a function: a field for each input of its JSON Schema, what they hold, and errors at their places.

import { h } from "./dom.js";
import { makeField } from "./fields.js";

export class FormError extends Error {}

export class Form {
  /** `root` is the JSON Pointer of what the fields are members of, in what is sent. */
  constructor(schema, changed, root = "/inputs") {
    this.root = root;
    const needed = new Set(schema.required ?? []);
    const inputs = Object.entries(schema.properties ?? {}).sort(([, one], [, other]) => (one["x-order"] ?? 0) - (other["x-order"] ?? 0));
    this.fields = inputs.map(([name, one]) => makeField(name, one, needed.has(name), changed));
    this.problem = h("div", { class: "notice error", role: "alert", hidden: true });
    this.element = h("div", { class: "fields" }, this.#grouped());
  }

  /** Fields in their order; those of a group together, where the first of it stands. */
  #grouped() {
    const groups = new Map();
    const out = [];
    for (const field of this.fields) {
      if (!field.group) {
        out.push(field.element);
        continue;
      }
      if (!groups.has(field.group)) {
        groups.set(field.group, h("fieldset", { class: "group" }, h("legend", {}, field.group)));
        out.push(groups.get(field.group));
      }
      groups.get(field.group).append(field.element);
    }
    return out;
  }

  field(name) {
    return this.fields.find((field) => field.name === name) ?? null;
  }

  /** Inputs as in a job; those that are missing get their defaults. */
  fill(inputs) {
    for (const field of this.fields) {
      if (inputs[field.name] === undefined) field.reset();
      else field.set(inputs[field.name]);
    }
  }

  clear() {
    this.problem.hidden = true;
    this.problem.replaceChildren();
    for (const field of this.fields) field.error(null);
  }

  /** How many jobs the files that were chosen make: several at a field for one file. */
  jobs() {
    return Math.max(1, ...this.fields.filter((field) => field.all).map((field) => field.count()));
  }

  /** Inputs of each job. Throws FormError when something is missing or cannot be read; the fields say what, and the first gets the focus. */
  async inputs(focus = true) {
    const inputs = {};
    const several = [];
    let first = null;
    this.clear();
    for (const field of this.fields) {
      try {
        const value = await field.get();
        if (value !== undefined) inputs[field.name] = value;
        else if (field.required) throw new Error("Needed.");
        if (field.all && field.count() > 1) several.push([field, await field.all()]);
      } catch (error) {
        field.error(error.message);
        first ??= field;
      }
    }
    const count = several.length ? several[0][1].length : 1;
    const other = several.find(([, values]) => values.length !== count);
    if (other && !first) {
      other[0].error(`Choose ${count} files here too, as for “${several[0][0].label}”, or one.`);
      first = other[0];
    }
    if (first) {
      if (focus) first.focus();
      throw new FormError("Something is missing.");
    }
    return Array.from({ length: count }, (_, i) => ({ ...inputs, ...Object.fromEntries(several.map(([field, values]) => [field.name, values[i]])) }));
  }

  /** What the fields hold while somebody writes; null when something cannot be read, which its field says. What is missing is no fault yet. */
  async filled() {
    const values = {};
    let readable = true;
    this.clear();
    for (const field of this.fields) {
      try {
        const value = await field.get();
        if (value !== undefined) values[field.name] = value;
      } catch (error) {
        field.error(error.message);
        readable = false;
      }
    }
    return readable ? values : null;
  }

  /** The field for what a pointer below the root names, or for what contains it. */
  #fieldAt(path) {
    const names = path.split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    return this.field(names.join("/")) ?? this.field(names[0]);
  }

  /** What the server found wrong, at the fields that it is about, the first of which gets the focus; the rest above the form. */
  show(error, focus = true) {
    const rest = [];
    let first = null;
    for (const one of error.errors ?? []) {
      const pointer = (one.pointer ?? "").replace(/^\/jobs\/\d+/, "");
      const field = pointer.startsWith(`${this.root}/`) && this.#fieldAt(pointer.slice(this.root.length + 1));
      const text = one.fix ? `${one.message}: ${one.fix}` : one.message;
      if (field) {
        field.error(text);
        first ??= field;
      } else rest.push(text);
    }
    if (!first || rest.length) {
      this.problem.replaceChildren(h("p", {}, error.message), ...rest.filter((text) => text !== error.message).map((text) => h("p", {}, text)),
        ...(error.suggestion ? [h("p", {}, error.suggestion)] : []));
      this.problem.hidden = false;
    }
    if (focus) first?.focus();
  }
}
