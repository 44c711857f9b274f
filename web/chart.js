// Charts: small drawings, with the same figures as a table for those who cannot see them.

import { h, uniqueId } from "./dom.js";

const STEP = 10;       // the drawing is stretched to the width that there is
const HEIGHT = 100;
const FEET = 4;        // hours are named so often

function draw(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The smallest of 1, 2, 5, 10, 20, 50 … that is not below `count`: where a scale ends. */
function ceiling(count) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, count)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((end) => end >= count);
}

function bars(entries, end) {
  return entries.flatMap(({ values, label }, i) => {
    let below = HEIGHT;
    return values.map((value, series) => {
      const height = (value / end) * HEIGHT;
      below -= height;
      return value > 0 ? draw("rect", { x: i * STEP + 1, y: below, width: STEP - 2, height, class: `series-${series}` }, draw("title", {}, label(series))) : "";
    });
  });
}

const clock = (hour) => hour.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** Stacked bars, one an hour. `series`: [[name, words]]; `hours`: [{hour: Date, values: a number for each of the series}]; `open` shows its table. */
export function hourChart(title, series, hours, open) {
  const id = uniqueId("chart");
  const sums = series.map((_, i) => hours.reduce((sum, { values }) => sum + values[i], 0));
  const end = ceiling(Math.max(1, ...hours.map(({ values }) => values.reduce((a, b) => a + b, 0))));
  const told = hours.filter(({ values }) => values.some((value) => value > 0));
  const entries = hours.map(({ hour, values }) => ({ values, label: (i) => `${clock(hour)}: ${values[i]} ${series[i][1].toLowerCase()}` }));
  return h("figure", { class: "chart", "aria-labelledby": id },
    h("h2", { id }, title, h("span", { class: "quiet" }, ` in the last ${hours.length} hours`)),
    h("p", { class: "scale", "aria-hidden": "true" }, String(end)),
    draw("svg", { viewBox: `0 0 ${hours.length * STEP} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": series.map(([, words], i) => `${words} ${sums[i]}`).join(", ") }, ...bars(entries, end)),
    h("p", { class: "feet", "aria-hidden": "true" }, hours.filter((_, i) => i % (hours.length / FEET) === 0).map(({ hour }) => h("span", {}, clock(hour)))),
    h("ul", { class: "legend" }, series.map(([, words], i) => h("li", { class: `series-${i}` }, `${words}: ${sums[i]}`))),
    told.length > 0 && h("details", { open }, h("summary", {}, "As a table"), h("div", { class: "sheet" }, h("table", {},
      h("caption", { class: "away" }, title),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Hour"), series.map(([, words]) => h("th", { scope: "col", class: "number" }, words)))),
      h("tbody", {}, told.map(({ hour, values }) => h("tr", {}, h("th", { scope: "row" }, clock(hour)), values.map((value) => h("td", { class: "number" }, String(value))))))))));
}
