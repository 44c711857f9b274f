// One function: its form, the quality, and what is submitted.

import { get, Problem, submit, Unreachable } from "./api.js";
import { askFor } from "./dialog.js";
import { bytes, h, seconds } from "./dom.js";
import "./elements.js";
import { Form, FormError } from "./form.js";
import { keepRight } from "./live.js";
import { listPresets } from "./templates.js";
import { when } from "./time.js";

const PAST_RUNS = 60;
const VARIATIONS_MOST = 100;
const OLD_PLACE = "function-runner.place";

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** What past runs took and made, by quality: {draft: "about 2 s · 1280 × 720 · 21 KB"} */
async function pastRuns(id) {
  const found = {};
  const { items } = await get(`jobs?template=${encodeURIComponent(id)}&state=completed&limit=${PAST_RUNS}`);
  for (const job of items) (found[job.quality] ??= []).push(job);
  return Object.fromEntries(Object.entries(found).map(([quality, jobs]) => {
    const took = median(jobs.map((job) => (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000));
    const first = jobs[0].outputs?.[0];
    const size = median(jobs.map((job) => job.outputs?.[0]?.bytes ?? 0));
    return [quality, [took < 1 ? seconds(took) : `about ${seconds(took)}`, first?.width && `${first.width} × ${first.height}`, size > 0 && bytes(size)]
      .filter(Boolean).join(" · ")];
  }));
}

/** Without past runs: what the preset itself says, and what the template makes of it. */
function expected(template, preset, standard) {
  const { width, height } = { ...template.parameters, ...preset.parameters?.[template.category], ...template.presets?.[preset.tier ?? preset.id],
    ...preset.parameters?.[template.id] };
  const time = preset.factors && standard?.factors ? preset.factors.time / standard.factors.time : 1;
  return [
    width && height ? `up to ${width} × ${height}` : height ? `${height} lines` : "",
    time === 1 ? "" : time < 1 ? "quicker" : `about ${+time.toFixed(1)} × the time of standard`,
  ].filter(Boolean).join(" · ");
}

function deprecationNotice({ sunset, successor }) {
  return h("p", { class: "notice" }, sunset ? ["This function is being replaced and will be removed ", when(sunset), "."] : "This function is being replaced.",
    successor && [" Use ", h("a", { href: `#function=${encodeURIComponent(successor.split("@")[0])}` }, successor), " instead."]);
}

function qualityOptions(template, presets, past) {
  const standard = presets.find((preset) => preset.id === "standard");
  return presets.map((preset) => ({
    id: preset.id, name: preset.name, description: preset.description, other: !preset.builtin,
    detail: past[preset.id] ? `Last time: ${past[preset.id]}` : expected(template, preset, standard),
  }));
}

function oldPlace() {
  try {
    return JSON.parse(localStorage.getItem(OLD_PLACE)) ?? {};
  } catch {
    return {};
  }
}

/** Project and shot, seed and number of variations. */
class Rest {
  constructor(projects) {
    const { project = "", shot = "" } = oldPlace();
    const id = (name) => `rest-${name}`;
    const field = (name, label, hint, attributes) => {
      this[name] = h("input", { id: id(name), name, "aria-describedby": `${id(name)}-hint`, ...attributes });
      return h("div", { class: "field" }, h("label", { for: id(name) }, label), this[name], h("p", { class: "hint", id: `${id(name)}-hint` }, hint));
    };
    this.element = h("fieldset", { class: "group" }, h("legend", {}, "Where it goes"),
      h("div", { class: "pair" },
        field("project", "Project", "The result is filed there as a new take. Empty: it is kept with the job only.", { list: "projects", value: project, autocomplete: "off" }),
        field("shot", "Shot", "For example s010.", { value: shot, autocomplete: "off" })),
      h("datalist", { id: "projects" }, projects.map((name) => h("option", { value: name }))),
      h("details", {}, h("summary", {}, "Variations and seed"),
        h("div", { class: "pair" },
          field("count", "Variations", `Up to ${VARIATIONS_MOST}, each with another seed.`, { type: "number", min: 1, max: VARIATIONS_MOST, step: 1, value: 1 }),
          field("seed", "Seed", "The same seed and inputs make the same result. Empty: a new one.", { type: "number", min: 0, step: 1 }))));
  }

  /** Members of the submission. */
  value() {
    const project = this.project.value.trim();
    const shot = this.shot.value.trim();
    const count = Math.min(VARIATIONS_MOST, Math.max(1, Math.round(Number(this.count.value)) || 1));
    try {
      localStorage.setItem(OLD_PLACE, JSON.stringify({ project, shot }));
    } catch {
      // a browser that keeps nothing
    }
    return { ...(project && { project }), ...(project && shot && { shot }), ...(this.seed.value !== "" && { seed: Number(this.seed.value) }),
      ...(count > 1 && { count }) };
  }
}

async function projectNames() {
  try {
    return (await get("projects?limit=200")).items.map((project) => project.id ?? project.name ?? project);
  } catch {
    return [];
  }
}

const noFunction = (id) => new Problem(404, { message: `There is no function “${id}”.`, suggestion: "It may have been removed. Choose another one." });

/** The function as it is now, with the JSON Schema of its inputs. */
async function readFunction(id) {
  try {
    const template = await get(`templates/${encodeURIComponent(id)}`);
    return [template, await get(`templates/${encodeURIComponent(`${template.id}@${template.version}`)}/schema`)];
  } catch (error) {
    throw error.status === 404 ? noFunction(id) : error;
  }
}

/** A job whose inputs are taken; null if it is gone. */
async function inputsOf(id) {
  try {
    return await get(`jobs/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Jobs of one submission: one POST, exactly once, as a job or as a batch. */
function send(common, list, waiting) {
  if (list.length === 1) return submit("jobs", { ...common, inputs: list[0] }, waiting);
  return submit("batches", { jobs: list.map((inputs) => ({ ...common, inputs })) }, waiting);
}

/** `parameters`: function (id), from (a job whose inputs are taken), use (a reference) and input (where it goes), quality. */
export async function functionView(parameters, user) {
  const id = parameters.get("function");
  const [[template, schema], past, projects, old] = await Promise.all([readFunction(id), pastRuns(id).catch(() => ({})), projectNames(),
    parameters.has("from") ? inputsOf(parameters.get("from")) : null]);
  const form = new Form(schema, () => label());
  const quality = document.createElement("fnr-quality");
  const rest = new Rest(projects);
  const button = h("button", { class: "main" });
  const news = h("p", { role: "status", class: "quiet" });
  const mayRun = user.scopes.includes("submit");
  let presets = [];
  const right = keepRight(async () => {
    presets = await listPresets();
    quality.options = qualityOptions(template, presets, past);
  }, (name) => name === "preset.changed");

  const variations = () => Math.max(1, Math.round(Number(rest.count.value)) || 1);
  function label() {
    const jobs = form.jobs() * variations();
    button.textContent = jobs === 1 ? template.name : `${template.name} × ${jobs}`;
  }

  function start(inputs, tier) {
    form.clear();
    form.fill(inputs);
    if (tier) quality.value = tier;
    label();
  }

  /** The same inputs at several qualities, to see which is worth its time. */
  async function compare() {
    const [inputs] = await form.inputs().catch(() => []);      // the fields say what is missing
    if (!inputs) return;
    const schema = { properties: Object.fromEntries(presets.map((preset) => [preset.id, { type: "boolean", title: preset.name, default: preset.builtin }])) };
    const common = { template: `${template.id}@${template.version}`, inputs, ...rest.value(), count: undefined };
    const made = await askFor("Compare qualities", schema, { text: "A job is run at each, with the same inputs and seed.", action: "Run them",
      run: (chosen) => submit("comparisons", { ...common, presets: Object.keys(chosen).filter((id) => chosen[id]) }) });
    if (made) location.hash = `comparison=${made.id}`;
  }

  async function run(event) {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    news.textContent = "Sending…";
    try {
      const list = await form.inputs();
      const made = await send({ template: `${template.id}@${template.version}`, quality: quality.value, ...rest.value() }, list, (error) => {
        news.textContent = error instanceof Unreachable ? "No connection to the server. It is tried again by itself…" : `${error.message}. It is tried again by itself…`;
      });
      location.hash = made.jobs ? `batch=${made.id}` : `job=${made.id}`;
    } catch (error) {
      news.textContent = "";
      if (!(error instanceof FormError)) form.show(error);
    }
    button.removeAttribute("aria-disabled");
  }

  await right.first();
  quality.value = "standard";
  rest.count.addEventListener("input", label);
  start(old?.inputs ?? {}, old?.quality ?? parameters.get("quality"));
  if (parameters.has("use") && form.field(parameters.get("input"))) form.field(parameters.get("input")).set(parameters.get("use"));
  const examples = template.examples ?? [];
  return {
    title: template.name, stop: right.stop,
    element: h("section", {},
      h("p", { class: "way" }, h("a", { href: "#" }, "All functions")),
      h("h1", { tabindex: -1 }, template.name),
      h("p", { class: "about" }, template.description),
      template.deprecated && deprecationNotice(template.deprecated),
      examples.length > 0 && h("div", { class: "examples", role: "group", "aria-label": "Examples" }, h("span", { class: "quiet" }, "Start from an example:"),
        examples.map((example) => h("button", { type: "button", class: "small", onclick: () => start(example.inputs ?? {}, example.quality) }, example.name))),
      h("form", { onsubmit: run, novalidate: true }, form.problem, form.element, quality, rest.element,
        mayRun ? h("div", { class: "submit" }, button, h("button", { type: "button", onclick: compare }, "Compare qualities…"), news)
          : h("p", { class: "notice" }, "Your key may look, but not start anything. Sign in with another one to use this form."))),
  };
}
