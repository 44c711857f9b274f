// Things beside each other: a column for each, and what differs is marked.

import { h } from "./dom.js";

function row([label, texts, differs = new Set(texts).size > 1]) {
  return h("tr", { class: differs ? "differs" : null },
    h("th", { scope: "row" }, label, differs && h("span", { class: "away" }, " (differs)")),
    texts.map((text) => h("td", { class: "long" }, text)));
}

/**
 * `names` of the columns, texts or elements; `rows`: [label, texts, differs]: whether it differs is found out if it is not said. Rows
 * without any text are left out.
 */
export const besideTable = (caption, names, rows) => h("div", { class: "sheet" }, h("table", {},
  h("caption", { class: "away" }, caption),
  h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "What"), names.map((name) => h("th", { scope: "col" }, name)))),
  h("tbody", {}, rows.filter(([, texts]) => texts.some(Boolean)).map(row))));
