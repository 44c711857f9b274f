// A table that is shown again and again: cells that did not change are not touched, so neither focus nor selection nor a press of a button is lost.

import { h } from "./dom.js";
import { KeptList } from "./kept.js";

/**
 * `columns`: [{label, draw(item), head, number, wide, long, away}]: `draw` gives a text, an element or a list of these; `head` names the
 * row; `wide` marks what windows leave out that are neither wide nor so narrow that a row is a card; `long` what may be cut
 * anywhere; `away` a name that is only heard. `key(item)` tells rows apart. `look(item)` is what a row is
 * drawn from, the item itself if not given. What is drawn may hold on to the item: it is kept as it is now.
 */
export class Table {
  #body = h("tbody");
  #drawn = new WeakMap();      // row: {item, looks of its cells}

  constructor(caption, columns, { key, empty, look = (item) => item }) {
    this.columns = columns;
    this.none = h("p", { class: "notice", hidden: true }, empty);
    this.sheet = h("div", { class: "sheet" }, h("table", { class: "live" }, h("caption", { class: "away" }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: this.#classes(column) },
        column.away ? h("span", { class: "away" }, column.label) : column.label)))), this.#body));
    this.element = h("div", {}, this.sheet, this.none);
    this.rows = new KeptList(this.#body, { key, look, draw: (item, row = h("tr", { "data-key": key(item) })) => this.#draw(item, row) });
  }

  #classes(column) {
    return [column.number && "number", column.wide && "from-wide", column.long && "long"].filter(Boolean).join(" ") || null;
  }

  #cells(item) {
    return this.columns.map((column) => h(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: this.#classes(column),
      "data-label": column.head || column.away ? null : column.label }, column.draw(item)));
  }

  #draw(item, row) {
    const drawn = this.#drawn.get(row) ?? { item: {}, looks: [] };
    for (const name of Object.keys(drawn.item)) delete drawn.item[name];
    Object.assign(drawn.item, item);
    const cells = this.#cells(drawn.item);
    const looks = cells.map((cell) => cell.outerHTML);
    cells.forEach((cell, i) => {
      if (!row.children[i]) row.append(cell);
      else if (looks[i] !== drawn.looks[i]) row.children[i].replaceWith(cell);
    });
    this.#drawn.set(row, { item: drawn.item, looks });
    return row;
  }

  show(items) {
    this.rows.show(items);
    this.sheet.hidden = items.length === 0;
    this.none.hidden = items.length > 0;
  }

  /** The element of a row, if it is shown. */
  row(key) {
    return this.rows.element(key);
  }
}
