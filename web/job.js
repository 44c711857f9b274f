// One job: how it is getting on, what it made, and what can be done next.

import { address, call, get, Problem, submit } from "./api.js";
import { ask, askFor } from "./dialog.js";
import { h, valueWords } from "./dom.js";
import { stateWord } from "./elements.js";
import { attemptsView, logView, parametersView, stagesView } from "./job-details.js";
import { finished, watch } from "./jobs.js";
import { KeptList } from "./kept.js";
import { outputView } from "./outputs.js";
import { findTemplate, usesOf } from "./templates.js";
import { took, when } from "./time.js";

const PRIORITIES = { required: ["priority"], properties: {
  priority: { type: "integer", minimum: 1, maximum: 10, title: "Priority", description: "10 goes first; 5 is usual." } } };
const waits = (job) => ["scheduled", "queued", "retry_wait"].includes(job.state);

function placeView(job) {
  const words = [job.project, job.shot, job.take && `take ${job.take}`].filter(Boolean).join(" / ");
  return job.take ? h("a", { href: `#take=${[job.project, job.shot, job.take].map(encodeURIComponent).join("/")}` }, words) : words;
}

/** [term, text or element, what tells it from others if its term does not] of each. */
function factsOf(job, name, inputs) {
  const facts = [
    ["Function", h("a", { href: `#function=${encodeURIComponent(job.template)}` }, name)],
    ["Quality", job.quality],
    job.project && ["Filed in", placeView(job)],
    ["Seed", String(job.seed)],
    ["Queue", `${job.queue}, priority ${job.priority}`],
    job.not_before && waits(job) && ["Begins", when(job.not_before)],
    job.expires_at && waits(job) && ["Latest start", when(job.expires_at)],
    job.backend && [finished(job) ? "Ran on" : "Runs on", [job.backend, job.placement && `(${job.placement})`].filter(Boolean).join(" ")],
    job.started_at && job.finished_at && ["Took", took(job.started_at, job.finished_at)],
    ["Asked for", when(job.created_at)],
    job.batch && ["Batch", h("a", { href: `#batch=${job.batch}` }, "all its jobs")],
    job.retry_of && ["Run again from", h("a", { href: `#job=${job.retry_of}` }, "an earlier job")],
    ...Object.entries(job.inputs ?? {}).map(([input, value]) => [inputs[input]?.label ?? input, valueWords(value), `input ${input}`]),
  ];
  return facts.filter(Boolean);
}

function errorView(error) {
  return h("div", { class: "notice error", role: "alert" }, h("p", {}, h("strong", {}, error.message)), error.suggestion && h("p", {}, error.suggestion),
    error.detail && h("details", { class: "technical" }, h("summary", {}, "For technicians"), h("pre", { tabindex: 0 }, `${error.class} / ${error.code}\n${error.detail}`)));
}

/** A menu of the functions that take this result. */
async function usesView(job, output) {
  const uses = await usesOf(output.media_type);
  const reference = `job:${job.id}/${output.name}`;
  if (!uses.length) return null;
  return h("div", { class: "uses", role: "group", "aria-label": "Use as input for" }, h("span", { class: "quiet" }, "Use as input for:"), uses.map(({ template, input }) =>
    h("a", { class: "button small", href: `#${new URLSearchParams({ function: template.id, use: reference, input })}` }, template.name)));
}

export async function jobView(parameters, user) {
  const id = parameters.get("job");
  const mayRun = user.scopes.includes("submit");
  const title = h("h1", { tabindex: -1 }, "Job");
  const state = h("span", { class: "state" });
  const progress = document.createElement("fnr-progress");
  const preview = h("figure", { class: "preview", hidden: true });
  const result = h("div", { class: "results" });
  const actions = h("div", { class: "actions" });
  const news = h("p", { role: "status", class: "quiet" });
  const rest = h("dl", { class: "facts" });
  const results = new KeptList(result, { key: ([name]) => name, look: ([, element]) => element.outerHTML, draw: ([, element]) => element });
  const facts = new KeptList(rest, {
    key: ([term, , key]) => key ?? term, look: ([term, value]) => [term, value?.outerHTML ?? value],
    draw: ([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)),
  });
  let job = await get(`jobs/${encodeURIComponent(id)}`);
  const template = await findTemplate(job.template);
  const name = template?.name ?? job.template;      // it may have been removed since
  const log = logView(job.id);
  const attempts = attemptsView(job.id);
  const stages = stagesView();
  let drawn = "";
  let drawing = 0;
  let actionsOf = null;

  async function act(button, work) {
    button.disabled = true;
    news.textContent = "";
    try {
      await work();
    } catch (error) {
      news.textContent = [error.message, error.suggestion].filter(Boolean).join(" ");
    }
    button.disabled = false;
  }
  const action = (label, work, kind = "") => h("button", { type: "button", class: kind, onclick: (event) => act(event.currentTarget, work) }, label);

  const cancel = () => call("POST", `jobs/${job.id}/cancel`);
  const again = (changes) => async () => {
    const made = await submit(`jobs/${job.id}/retry`, changes, () => { news.textContent = "No connection. It is tried again by itself…"; });
    location.hash = `job=${made.id}`;
  };
  const raise = () => askFor("Change the priority", PRIORITIES, { values: { priority: job.priority }, action: "Change",
    run: (values) => call("PATCH", `jobs/${job.id}`, values) });
  async function remove() {
    if (!await ask("Delete this job?", job.take ? "Its take stays in the project." : "Its result is deleted with it.", "Delete")) return;
    await stop();      // what is gone is not asked for again
    try {
      await call("DELETE", `jobs/${job.id}`);
      location.hash = "";
    } catch (error) {
      stop = follow();
      throw error;
    }
  }

  function drawActions() {
    if (job.state === actionsOf) return;      // whoever is about to press one of them shall not lose it
    actionsOf = job.state;
    const list = [];
    if (mayRun && !finished(job) && job.state !== "cancelling") list.push(action("Cancel", cancel));
    if (mayRun && waits(job)) list.push(action("Priority…", raise));
    if (mayRun && finished(job)) {
      if (job.state === "completed") list.push(action("Again with another seed", again({ seed: null }), "main"));
      else list.push(action("Try again", again({}), "main"));
    }
    if (mayRun) list.push(h("a", { class: "button", href: `#${new URLSearchParams({ function: job.template, from: job.id })}` }, "Change and run again"));
    if (mayRun && finished(job)) list.push(action("Delete…", remove, "quiet"));
    actions.replaceChildren(...list);
  }

  async function drawResult() {
    const mine = ++drawing;
    const shown = job;
    const parts = shown.error ? [["", errorView(shown.error)]] : [];
    if (shown.state === "completed") {
      for (const output of shown.outputs ?? []) {
        const uses = mayRun ? await usesView(shown, output).catch(() => null) : null;
        parts.push([output.name, h("div", {}, outputView(output, `${name}: ${valueWords(shown.inputs?.text ?? output.name)}`), uses ?? "")]);
      }
      preview.hidden = true;
    }
    if (mine === drawing) results.show(parts);      // else something newer is being drawn
  }

  /** Whole only when something else than the progress is new. */
  function draw() {
    const pictures = (job.outputs ?? []).map((output) => output.thumbnail);
    const look = JSON.stringify([job.state, job.waiting_for, job.attempt, job.priority, job.backend, job.error, pictures]);
    progress.hidden = finished(job);
    if (!progress.hidden) progress.job = job;
    stages.show(job);
    if (look === drawn || [...result.querySelectorAll("video, audio")].some((one) => one.currentTime > 0)) return;   // nobody's film is cut off
    drawn = look;
    document.title = `${stateWord(job.state)}: ${name} – Function Runner`;
    state.textContent = stateWord(job.state);
    state.className = `state ${job.state}`;
    drawActions();
    drawResult();
    facts.show(factsOf(job, name, template?.inputs ?? {}));
    if (finished(job)) news.textContent = "";
  }

  function showPreview(number) {
    const src = address(`jobs/${job.id}/preview?event=${number}`);
    const picture = h("img", { alt: "Preview of the running work" });
    picture.onload = () => {
      if (finished(job)) return;
      preview.replaceChildren(picture, h("figcaption", { class: "quiet" }, "Preview"));
      preview.hidden = false;
    };
    picture.src = src;
  }

  title.textContent = name;
  draw();
  const follow = () => watch(job.id, (now, change) => {
    if (change.kind === "preview") showPreview(change.number);
    else if (change.kind === "error") {
      if (change.error instanceof Problem && change.error.status === 404) news.textContent = "This job was deleted.";
    } else {
      job = now;
      draw();
    }
  });
  let stop = follow();
  return {
    title: name,
    element: h("article", { class: "job" }, h("p", { class: "way" }, h("a", { href: "#" }, "All functions"), " · ", h("a", { href: "#jobs" }, "All jobs")),
      h("div", { class: "head" }, title, state), progress, preview, result, actions, news, rest,
      h("div", {}, stages.element, attempts.element, log.element, parametersView(job))),
    stop() {
      stop();
      attempts.stop();
      log.stop();
    },
  };
}
