// Custom elements for any page: <fnr-progress> and <fnr-quality>. They draw into the page's own tree, so its stylesheet applies.

import { bytes, h, seconds, uniqueId } from "./dom.js";

const STATE_WORDS = {
  scheduled: "Scheduled", queued: "Waiting", running: "Running", retry_wait: "Trying again soon", cancelling: "Being cancelled",
  finishing: "Being filed", completed: "Done", failed: "Failed", cancelled: "Cancelled", expired: "Expired",
};

const STAGE_WORDS = { queue: "Waiting", preparation: "Preparing", execution: "Making", finalization: "Filing" };
const STAGE_STATE_WORDS = { pending: "to come", running: "now", completed: "done" };
const OTHER_STATE_WORDS = { pending: "To come", skipped: "Left out", lost: "Lost" };   // of stages and attempts

const WAITING_WORDS = {
  paused: "its queue is paused", disk: "the server's disk is full", no_backend: "what it runs on does not work at the moment", resources: "what it needs is in use",
  limit: "as many as are allowed run already", dependency: "it needs what another job makes", not_before: "it is not to begin yet",
};

export const STATES = Object.entries(STATE_WORDS);
export const stateWord = (state) => STATE_WORDS[state] ?? state;
export const stateView = (state) => h("span", { class: `state ${state}` }, OTHER_STATE_WORDS[state] ?? stateWord(state));
export const stageWord = (stage) => STAGE_WORDS[stage] ?? stage;

/** Why a job waits, in words; an empty text if it only waits for its turn. */
export const waitingWord = (job) => WAITING_WORDS[job.waiting_for] ?? "";

/** How full the cards of the server that a job runs on are; an empty text if that is not known. */
function cardsWord({ resources }) {
  const used = (resources?.server?.devices ?? []).map(({ vram_total: all, vram_free: free }) => `${bytes(all - free)} of ${bytes(all)}`);
  return used.length > 0 ? `graphics ${used.length === 1 ? "card" : "cards"}: ${used.join(", ")} in use` : "";
}

/** How a job is getting on. Set `job` to what the API gives, as often as you like. */
export class FnrProgress extends HTMLElement {
  #parts = null;

  set job(job) {
    this.#parts ??= this.#build();
    const { bar, message, rest, stages } = this.#parts;
    const { percent, position, eta_seconds: eta } = job.progress;
    const facts = [];
    bar.value = percent;
    bar.textContent = `${Math.round(percent)} %`;
    if (message.textContent !== job.progress.message) message.textContent = job.progress.message;   // read aloud only when it changes
    if (waitingWord(job)) facts.push(waitingWord(job));
    else if (job.state === "queued" && position !== null && position !== undefined)
      facts.push(position === 0 ? "next in line" : `${position} ahead of it`);
    if (job.state === "running") facts.push(`${Math.floor(percent)} %`);
    if (eta !== null && eta !== undefined && percent < 100) facts.push(`about ${seconds(eta)} left`);
    if (job.state === "running" && cardsWord(job.progress)) facts.push(cardsWord(job.progress));
    if (job.attempt > 1) facts.push(`attempt ${job.attempt} of ${job.max_attempts}`);
    rest.textContent = facts.join(" · ");
    stages.replaceChildren(...(job.progress.stages ?? []).map((stage) => h("li", { class: `stage ${stage.state}` },
      stageWord(stage.name), h("span", { class: "away" }, `, ${STAGE_STATE_WORDS[stage.state] ?? stage.state}`))));
  }

  #build() {
    const id = uniqueId("progress");
    const parts = {
      message: h("p", { class: "message", id, role: "status" }),
      bar: h("progress", { max: 100, "aria-labelledby": id }),
      rest: h("p", { class: "quiet" }),
      stages: h("ol", { class: "stages" }),
    };
    this.replaceChildren(parts.message, parts.bar, parts.rest, parts.stages);
    return parts;
  }
}

/**
 * A choice of quality. `options` is [{id, name, description, detail, other}]: those that are `other` are in a list below the rest.
 * `value` is an id; "change" is fired.
 */
export class FnrQuality extends HTMLElement {
  #options = [];
  #value = "standard";

  set options(options) {
    if (JSON.stringify(options) === JSON.stringify(this.#options)) return;      // whoever is about to choose one keeps it
    const focused = this.contains(document.activeElement);
    this.#options = options;
    this.#draw();
    if (focused) this.focus();
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    this.#value = value;
    this.#show();
  }

  focus() {
    this.querySelector("input:checked, select")?.focus();
  }

  #show() {
    const others = this.querySelector("select");
    for (const radio of this.querySelectorAll("input")) radio.checked = radio.value === this.#value;
    if (others) others.value = this.#options.some((option) => option.other && option.id === this.#value) ? this.#value : "";
  }

  #choose(value) {
    this.value = value;
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #radio(option, name) {
    const about = uniqueId("about");
    return h("label", {}, h("input", { type: "radio", name, value: option.id, "aria-describedby": about, onchange: (event) => {
      event.stopPropagation();
      this.#choose(option.id);
    } }),
    h("span", { class: "choice" }, h("strong", {}, option.name), h("span", { id: about }, h("span", {}, option.description),
      h("small", {}, option.detail))));
  }

  #others(options) {
    const id = uniqueId("others");
    return h("p", { class: "row others" }, h("label", { for: id }, "or another preset"), h("select", { id, onchange: (event) => {
      event.stopPropagation();
      this.#choose(event.target.value || "standard");
    } }, h("option", { value: "" }, "—"), options.map((option) => h("option", { value: option.id }, [option.name, option.detail].filter(Boolean).join(": ")))));
  }

  #draw() {
    const name = uniqueId("quality");
    const others = this.#options.filter((option) => option.other);
    this.replaceChildren(h("fieldset", {}, h("legend", {}, "Quality"),
      h("div", { class: "choices" }, this.#options.filter((option) => !option.other).map((option) => this.#radio(option, name))),
      others.length > 0 && this.#others(others)));
    this.#show();
  }
}

customElements.define("fnr-progress", FnrProgress);
customElements.define("fnr-quality", FnrQuality);
