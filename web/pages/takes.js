// Takes: projects and their shots; the gallery of a shot; two takes beside each other.

import { get, Problem } from "../api.js";
import { besideTable } from "../beside.js";
import { h, valueWords } from "../dom.js";
import { KeptList } from "../kept.js";
import { keepRight } from "../live.js";
import { outputView, smallPicture } from "../outputs.js";
import { templatesOf } from "../templates.js";
import { took, when } from "../time.js";

const THUMBNAILS_MS = 2000;
const AWAITED_MS = 60000;

export const takePlace = (...names) => names.map(encodeURIComponent).join("/");
export const shotPath = (project, shot) => `projects/${encodeURIComponent(project)}/shots/${encodeURIComponent(shot)}`;

/** A file of a take, as the outputs of a job are. */
export const outputOf = (file) => ({ ...file, path: file.file });

async function all(path) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(`${path}?limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/* ---- projects ---- */

function projectView(project) {
  return h("li", { class: "panel" }, h("h2", {}, project.name), h("ul", { class: "links" }, project.shots.map((shot) =>
    h("li", {}, h("a", { href: `#takes=${takePlace(project.name, shot.name)}` }, shot.name), " ",
      h("span", { class: "quiet" }, shot.last_take === 1 ? "1 take" : `${shot.last_take} takes`)))));
}

async function projectsView() {
  const list = h("ul", { class: "cards" });
  const none = h("p", { class: "notice", hidden: true }, "No job was filed in a project yet. Name a project when you make something.");
  const panels = new KeptList(list, { key: (project) => project.name, look: (project) => project, draw: projectView });
  async function read() {
    const projects = (await all("projects")).filter((project) => project.shots.length > 0);
    panels.show(projects);
    none.hidden = projects.length > 0;
  }
  const right = keepRight(read, (name) => name === "job.completed" || name === "take.deleted");
  await right.first();
  return { title: "Takes", wide: true, stop: right.stop, element: h("section", { class: "list" }, h("h1", { tabindex: -1 }, "Takes"), none, list) };
}

/* ---- the gallery of a shot ---- */

/** Is it an event after which the takes of this shot look different? */
export const movesTakes = (name, data, project, shot) => data.project === project && (name === "job.completed" || (name.startsWith("take.") && data.shot === shot));

const awaited = (take) => Date.now() - Date.parse(take.finished_at) < AWAITED_MS &&
  take.files.some((file) => file.thumbnail === null && /^(image|video|audio)\//.test(file.media_type));

function tile({ take, template, chosen, choose }) {
  const mark = h("input", { type: "checkbox", checked: chosen, "aria-label": `Compare take ${take.take}`, onchange: () => choose(take.take, mark) });
  return h("li", { class: `tile take ${take.active ? "active" : ""}`, "data-take": take.take },
    h("a", { class: "plain", href: `#take=${takePlace(take.project, take.shot, take.take)}` },
      h("span", { class: "picture" }, smallPicture({ outputs: take.files.map(outputOf) }, template?.category)),
      h("span", { class: "name" }, `Take ${take.take}`),
      h("span", { class: "quiet" }, [template?.name ?? take.template, take.quality].filter(Boolean).join(" · "))),
    h("span", { class: "foot" }, h("label", { class: "row" }, mark, "compare"),
      take.active ? h("span", { class: "state completed" }, "Chosen") : h("span", { class: "quiet" }, when(take.created_at))));
}

async function galleryView(project, shot) {
  const tiles = h("ul", { class: "tiles" });
  const compare = h("a", { class: "button main", hidden: true });
  const news = h("p", { role: "status", class: "quiet" });
  const none = h("p", { class: "notice", hidden: true }, "This shot has no takes any more.");
  const path = shotPath(project, shot);
  const chosen = [];
  const list = new KeptList(tiles, { key: ({ take }) => take.take, look: ({ take, template }) => [take, template?.name, template?.category], draw: tile });

  function showCompare() {
    compare.hidden = chosen.length !== 2;
    compare.textContent = `Compare ${chosen.join(" and ")}`;
    compare.href = `#takes=${takePlace(project, shot)}&compare=${chosen.join(",")}`;
    news.textContent = chosen.length === 1 ? "Choose one more to compare it with." : "";
  }

  function choose(number, mark) {
    if (mark.checked) chosen.push(number);
    else chosen.splice(chosen.indexOf(number), 1);
    if (chosen.length > 2) tiles.querySelector(`[data-take="${chosen.shift()}"] input`).checked = false;   // the one chosen first
    chosen.sort((a, b) => a - b);
    showCompare();
  }

  async function read() {
    const takes = await all(`${path}/takes`);
    const templates = await templatesOf(takes);
    if (takes.some(awaited)) right.soon(THUMBNAILS_MS);
    list.show(takes.reverse().map((take) => ({ take, template: templates.get(take.template), chosen: chosen.includes(take.take), choose })));
    none.hidden = takes.length > 0;
  }

  const right = keepRight(read, (name, data) => movesTakes(name, data, project, shot));
  await right.first();
  return {
    title: `${project} / ${shot}`, wide: true, stop: right.stop,
    element: h("section", { class: "list" }, h("p", { class: "way" }, h("a", { href: "#takes" }, "All takes")),
      h("div", { class: "head" }, h("h1", { tabindex: -1 }, `${project} / ${shot}`), compare), news, none, tiles),
  };
}

/* ---- two takes beside each other ---- */

/** What made a take: {name: text}. */
const facts = (take, templates) => ({
  Function: `${templates.get(take.template)?.name ?? take.template} ${take.version ?? ""}`,
  Quality: take.preset?.split("@")[0] === take.quality ? take.quality : `${take.preset} (${take.quality})`,
  Seed: String(take.seed),
  Backend: take.backend ?? "",
  Took: took(take.started_at, take.finished_at) ?? "",
  ...Object.fromEntries(Object.entries(take.inputs ?? {}).map(([name, value]) => [name, valueWords(value)])),
  ...Object.fromEntries(Object.entries(take.parameters ?? {}).filter(([name]) => !(name in (take.inputs ?? {}))).map(([name, value]) => [name, valueWords(value)])),
});

function sideView(take) {
  return h("section", { class: "side", "aria-label": `Take ${take.take}` },
    h("h2", {}, h("a", { href: `#take=${takePlace(take.project, take.shot, take.take)}` }, `Take ${take.take}`),
    take.active && [" ", h("span", { class: "state completed" }, "Chosen")]),
  take.files.map((file) => outputView(outputOf(file), `Take ${take.take}: ${file.name}`)));
}

async function compareView(project, shot, numbers) {
  const path = shotPath(project, shot);
  const takes = await Promise.all(numbers.map((number) => get(`${path}/takes/${encodeURIComponent(number)}`)));
  const templates = await templatesOf(takes);
  const made = takes.map((take) => facts(take, templates));
  const names = [...new Set(made.flatMap(Object.keys))];
  return {
    title: "Two takes", wide: true,
    element: h("section", { class: "list" }, h("p", { class: "way" }, h("a", { href: `#takes=${takePlace(project, shot)}` }, `${project} / ${shot}`)),
      h("h1", { tabindex: -1 }, `Takes ${numbers.join(" and ")}`),
      h("div", { class: "sides" }, takes.map(sideView)),
      besideTable("What made them", takes.map((take) => `Take ${take.take}`), names.map((name) => [name, made.map((one) => one[name] ?? "—")]))),
  };
}

/** `takes` is empty, or PROJECT/SHOT; `compare` is two numbers. */
export async function takesView(parameters) {
  const names = parameters.get("takes").split("/").filter(Boolean).map(decodeURIComponent);
  const numbers = (parameters.get("compare") ?? "").split(",").filter(Boolean);
  if (names.length === 0) return projectsView();
  if (names.length !== 2 || (numbers.length !== 0 && numbers.length !== 2)) throw new Problem(404, { message: "There are no such takes." });
  return numbers.length ? compareView(...names, numbers) : galleryView(...names);
}
