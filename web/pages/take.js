// One take: what it is, what made it, and whether it is the one.

import { get, Problem } from "../api.js";
import { h } from "../dom.js";
import { outputView } from "../outputs.js";
import { findTemplate } from "../templates.js";
import { took, when } from "../time.js";
import { outputOf, shotPath, takePlace } from "./takes.js";

const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function factsView(take, template) {
  const facts = [
    ["Function", h("a", { href: `#function=${encodeURIComponent(take.template)}` }, `${template?.name ?? take.template} ${take.version ?? ""}`)],
    ["Quality", take.quality],
    ["Seed", String(take.seed)],
    ["Made", when(take.created_at)],
    take.started_at && take.finished_at && ["Took", took(take.started_at, take.finished_at)],
    take.backend && ["Made on", take.backend],
    take.job && ["Job", h("a", { href: `#job=${take.job}` }, "what happened")],
    ...Object.entries(take.inputs ?? {}).map(([input, value]) => [template?.inputs?.[input]?.label ?? input, words(value)]),
  ];
  return h("dl", { class: "facts" }, facts.filter(Boolean).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

export async function takeView(parameters, user) {
  const names = parameters.get("take").split("/").map(decodeURIComponent);
  if (names.length !== 3) throw new Problem(404, { message: "There is no such take." });
  const [project, shot, number] = names;
  const path = `${shotPath(project, shot)}/takes/${encodeURIComponent(number)}`;
  const mayRun = user.scopes.includes("submit");
  const take = await get(path);
  const template = await findTemplate(take.template);

  return {
    title: `${project} / ${shot} / take ${take.take}`, wide: true,
    element: h("article", { class: "job" }, h("p", { class: "way" }, h("a", { href: `#takes=${takePlace(project, shot)}` }, `${project} / ${shot}`)),
      h("div", { class: "head" }, h("h1", { tabindex: -1 }, `Take ${take.take}`), take.active && h("span", { class: "state completed" }, "Chosen")),
      h("div", { class: "results" }, take.files.map((file) => outputView(outputOf(file), `${template?.name ?? take.template}: ${file.name}`))),
      mayRun && template && h("div", { class: "actions" }, h("a", { class: "button", href: `#${new URLSearchParams({ function: take.template, from: take.job })}` }, "Change and run again")),
      factsView(take, template),
      h("details", { class: "technical" }, h("summary", {}, "All parameters"), h("pre", { tabindex: 0 }, JSON.stringify(take.parameters ?? {}, null, 2)))),
  };
}
