// A field for a longer text with numbered lines, and what is wrong in it beside it.

import { h, uniqueId } from "./dom.js";

/** Where a line begins in a text, and where it ends. Lines count from 1. */
function lineAt(text, number) {
  const lines = text.split("\n");
  const start = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
  return [start, start + (lines[number - 1]?.length ?? 0)];
}

/** `changed()` is called while people write. */
export class Editor {
  #wrong = new Map();      // line: "error" or "warning"

  constructor(label, changed) {
    const id = uniqueId("editor");
    this.gutter = h("ol", { class: "gutter", "aria-hidden": "true" });
    this.field = h("textarea", { id, class: "code", wrap: "off", spellcheck: "false", autocomplete: "off", autocapitalize: "off", rows: 24,
      "aria-describedby": `${id}-messages`, oninput: () => {
        this.#number();
        changed();
      }, onscroll: () => { this.gutter.scrollTop = this.field.scrollTop; } });
    this.messages = h("ul", { class: "messages", id: `${id}-messages` });
    this.element = h("div", {}, h("label", { for: id }, label), h("div", { class: "editor" }, this.gutter, this.field), this.messages);
  }

  get value() {
    return this.field.value;
  }

  set value(text) {
    this.field.value = text;
    this.#number();
  }

  #number() {
    const count = this.field.value.split("\n").length;
    while (this.gutter.childElementCount > count) this.gutter.lastElementChild.remove();
    while (this.gutter.childElementCount < count) this.gutter.append(h("li", {}, String(this.gutter.childElementCount + 1)));
    [...this.gutter.children].forEach((line, i) => { line.className = this.#wrong.get(i + 1) ?? ""; });
  }

  /** To a line, with the whole of it chosen. */
  go(line) {
    const [start, end] = lineAt(this.field.value, line);
    this.field.focus();
    this.field.setSelectionRange(start, end);
    this.field.scrollTop = (this.field.scrollHeight / this.gutter.childElementCount) * Math.max(0, line - 4);
  }

  /** `found`: [{kind: "error" | "warning", line, pointer, message, fix}]; the line may be missing. */
  show(found) {
    this.#wrong = new Map(found.filter((one) => one.line).reverse().map((one) => [one.line, one.kind]));
    this.#number();
    this.field.setAttribute("aria-invalid", String(found.some((one) => one.kind === "error")));
    this.messages.replaceChildren(...found.map((one) => h("li", { class: one.kind },
      one.line && h("button", { type: "button", class: "link", onclick: () => this.go(one.line) }, `Line ${one.line}`), one.line && " ",
      one.pointer && h("code", {}, one.pointer), " ", one.message, one.fix && h("span", { class: "quiet" }, `: ${one.fix}`))));
  }
}
