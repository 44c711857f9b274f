// One take: what it is, what made it, and whether it is the one.

import { acting } from "../acting.js";
import { address, call, get, Problem } from "../api.js";
import { ask } from "../dialog.js";
import { h, valueWords } from "../dom.js";
import { keepRight } from "../live.js";
import { outputView } from "../outputs.js";
import { findTemplate } from "../templates.js";
import { took, when } from "../time.js";
import { movesTakes, outputOf, shotPath, takePlace } from "./takes.js";

function factsView(take, template) {
  const facts = [
    ["Function", h("a", { href: `#function=${encodeURIComponent(take.template)}` }, `${template?.name ?? take.template} ${take.version ?? ""}`)],
    ["Quality", take.quality],
    ["Seed", String(take.seed)],
    ["Made", when(take.created_at)],
    take.started_at && take.finished_at && ["Took", took(take.started_at, take.finished_at)],
    take.backend && ["Made on", take.backend],
    take.job && ["Job", h("a", { href: `#job=${take.job}` }, "what happened")],
    ...Object.entries(take.inputs ?? {}).map(([input, value]) => [template?.inputs?.[input]?.label ?? input, valueWords(value)]),
  ];
  return h("dl", { class: "facts" }, facts.filter(Boolean).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

export async function takeView(parameters, user) {
  const names = parameters.get("take").split("/").map(decodeURIComponent);
  if (names.length !== 3) throw new Problem(404, { message: "There is no such take." });
  const [project, shot, number] = names;
  const path = `${shotPath(project, shot)}/takes/${encodeURIComponent(number)}`;
  const state = h("span", { class: "state completed" }, "Chosen");
  const actions = h("div", { class: "actions" });
  const { news, act } = acting((words) => words);
  const mayRun = user.scopes.includes("submit");
  let take;
  let template;
  let drawn = "";

  function draw() {
    const look = take.gone ? "gone" : String(take.active);
    if (look === drawn) return;
    drawn = look;
    state.hidden = !take.active;
    if (take.gone) {
      actions.replaceChildren();
      news.textContent = "This take was deleted.";
      return;
    }
    actions.replaceChildren(...[
      mayRun && !take.active && h("button", { type: "button", class: "main", onclick: () => act(choose) }, "Choose this take"),
      h("a", { class: "button", href: address(`${path}/export`), download: true }, "Export"),
      mayRun && template && h("a", { class: "button", href: `#${new URLSearchParams({ function: take.template, from: take.job })}` }, "Change and run again"),
      mayRun && h("button", { type: "button", class: "quiet", onclick: () => act(remove) }, "Delete…"),
    ].filter(Boolean));
  }

  async function read() {
    try {
      take = await get(path);
    } catch (error) {
      if (!take || error.status !== 404) throw error;
      take = { ...take, active: false, gone: true };   // somebody else did that
    }
    template ??= await findTemplate(take.template);
    draw();
  }

  async function choose() {
    await call("PUT", `${shotPath(project, shot)}/active-take`, { take: take.take });
    await read();
    return `Take ${take.take} is the one of ${shot} now.`;
  }

  async function remove() {
    if (!await ask(`Delete take ${take.take}?`, "Its files are deleted. Its number is never given again.", "Delete")) return;
    await right.without(async () => {
      await call("DELETE", path);
      location.hash = `takes=${takePlace(project, shot)}`;
    });
  }

  const right = keepRight(read, (name, data) => name.startsWith("take.") && movesTakes(name, data, project, shot));
  await right.first();
  return {
    title: `${project} / ${shot} / take ${take.take}`, wide: true, stop: right.stop,
    element: h("article", { class: "job" }, h("p", { class: "way" }, h("a", { href: `#takes=${takePlace(project, shot)}` }, `${project} / ${shot}`)),
      h("div", { class: "head" }, h("h1", { tabindex: -1 }, `Take ${take.take}`), state),
      h("div", { class: "results" }, take.files.map((file) => outputView(outputOf(file), `${template?.name ?? take.template}: ${file.name}`))),
      actions, news, factsView(take, template),
      h("details", { class: "technical" }, h("summary", {}, "All parameters"), h("pre", { tabindex: 0 }, JSON.stringify(take.parameters ?? {}, null, 2)))),
  };
}
