// A table that is shown again and again: rows that did not change are not touched, so neither focus nor selection is lost.

import { h } from "./dom.js";

/**
 * `columns`: [{label, draw(item), head, number, wide, long, away}]: `draw` gives a text, an element or a list of these; `head` names the
 * row; `wide` marks what windows leave out that are neither wide nor so narrow that a row is a card; `long` what may be cut
 * anywhere; `away` a name that is only heard. `key(item)` tells rows apart. `look(item)` is what a row is
 * drawn from, the item itself if not given.
 */
export class Table {
  #rows = new Map();   // key: {row, look}
  #body = h("tbody");

  constructor(caption, columns, { key, empty, look = (item) => item }) {
    this.columns = columns;
    this.key = key;
    this.look = look;
    this.none = h("p", { class: "notice", hidden: true }, empty);
    this.sheet = h("div", { class: "sheet" }, h("table", { class: "live" }, h("caption", { class: "away" }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: this.#classes(column) },
        column.away ? h("span", { class: "away" }, column.label) : column.label)))), this.#body));
    this.element = h("div", {}, this.sheet, this.none);
  }

  #classes(column) {
    return [column.number && "number", column.wide && "from-wide", column.long && "long"].filter(Boolean).join(" ") || null;
  }

  #cells(item) {
    return this.columns.map((column) => h(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: this.#classes(column),
      "data-label": column.head || column.away ? null : column.label }, column.draw(item)));
  }

  /** The row, drawn anew only if it looks different; what had the focus has it again. */
  #row(item) {
    const key = this.key(item);
    const look = JSON.stringify(this.look(item));
    const old = this.#rows.get(key);
    if (old?.look === look) return old;
    const row = old?.row ?? h("tr", { "data-key": key });
    const place = row.contains(document.activeElement) ? [...row.querySelectorAll("a, button")].indexOf(document.activeElement) : -1;
    row.replaceChildren(...this.#cells(item));
    if (place >= 0) row.querySelectorAll("a, button")[place]?.focus();
    return { row, look };
  }

  show(items) {
    const rows = new Map(items.map((item) => [this.key(item), this.#row(item)]));
    for (const [key, { row }] of this.#rows) if (!rows.has(key)) row.remove();
    [...rows.values()].forEach(({ row }, i) => {
      if (this.#body.children[i] !== row) this.#body.insertBefore(row, this.#body.children[i] ?? null);
    });
    this.#rows = rows;
    this.sheet.hidden = rows.size === 0;
    this.none.hidden = rows.size > 0;
  }

  /** The element of a row, if it is shown. */
  row(key) {
    return this.#rows.get(key)?.row ?? null;
  }
}
