/**
 * Custom elements for any page: <fnr-progress>, <fnr-quality>, <fnr-run>. They draw plain HTML into themselves, so that the
 * page's own style applies; each has the classes named below.
 *
 *   import { use } from "function-runner/elements";
 *   use(new Client({ url: "https://runner.example/" }));
 *   <fnr-run template="create_title_card" project="film" shot="s010"></fnr-run>
 */
import { Client } from "./client.js";
import type { JobHandle } from "./job.js";
import type { Answer, Job, Submission } from "./types.js";

let client: Client | undefined;

/** The client that all elements ask; before the first of them is used. Without it: one beside the page, by its session. */
export function use(one: Client): void {
  client = one;
}
const asked = (): Client => (client ??= new Client());

type Child = Node | string;
function make<K extends keyof HTMLElementTagNameMap>(tag: K, properties: Partial<HTMLElementTagNameMap[K]> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * How far a job is: attribute `job` (an id) or property `handle`. A bar, its message, and Cancel while it runs. Events:
 * "fnr-end" with the job as detail, whatever its end.
 */
export class FnrProgress extends HTMLElement {
  static readonly observedAttributes = ["job"];
  private of: JobHandle | undefined;
  private leave: (() => void) | undefined;
  private readonly bar = make("progress", { max: 100 });
  private readonly message = make("span", { className: "fnr-message", ariaLive: "polite" } as Partial<HTMLSpanElement>);
  private readonly cancel = make("button", { type: "button", className: "fnr-cancel", textContent: "Cancel", hidden: true });

  get handle(): JobHandle | undefined {
    return this.of;
  }
  set handle(handle: JobHandle | undefined) {
    this.leave?.();
    this.of = handle;
    this.begin();
  }

  connectedCallback(): void {
    this.replaceChildren(this.bar, this.message, this.cancel);
    this.bar.setAttribute("aria-label", "Progress");
    this.cancel.onclick = () => {
      this.cancel.disabled = true;
      this.of?.cancel().catch((error: unknown) => (this.message.textContent = words(error)));
    };
    this.begin();
  }
  disconnectedCallback(): void {
    this.leave?.();
    this.leave = undefined;
  }
  attributeChangedCallback(_: string, before: string | null, id: string | null): void {
    if (!id || id === before) return;
    asked().job(id).then((handle) => (this.handle = handle), (error: unknown) => (this.message.textContent = words(error)));
  }

  private begin(): void {
    const handle = this.of;
    if (!handle || !this.isConnected) return;
    this.cancel.disabled = false;
    const end = handle.onProgress((progress, job) => this.show(progress.percent, progress.message, job));
    this.leave = end;
    handle.finished().then((job) => {
      if (this.of !== handle) return;
      this.show(job.state === "completed" ? 100 : job.progress.percent, job.error?.message ?? job.progress.message, job);
      this.dispatchEvent(new CustomEvent<Job>("fnr-end", { detail: job, bubbles: true }));
    }, (error: unknown) => (this.message.textContent = words(error)));
  }
  private show(percent: number, message: string, job: Job): void {
    this.bar.value = percent;
    this.message.textContent = message;
    this.dataset["state"] = job.state;
    this.cancel.hidden = ["completed", "failed", "cancelled", "expired", "finishing"].includes(job.state);
  }
}

type Preset = Answer<"/api/v1/presets", "get">["items"][number];

/** The choice of a quality: attribute `value` (standard). Part of forms by `name`. Event "change". */
export class FnrQuality extends HTMLElement {
  static readonly formAssociated = true;
  private readonly internals = this.attachInternals();
  private readonly select = make("select");

  get value(): string {
    return this.select.value;
  }
  set value(value: string) {
    this.select.value = value;
    this.internals.setFormValue(value);
  }

  connectedCallback(): void {
    this.replaceChildren(make("label", {}, this.getAttribute("label") ?? "Quality", " ", this.select));
    this.select.onchange = (event) => {
      event.stopPropagation();
      this.value = this.select.value;
      this.dispatchEvent(new Event("change", { bubbles: true }));
    };
    asked().request("get", "/api/v1/presets").then(({ items }) => this.fill(items), (error: unknown) => (this.title = words(error)));
  }
  private fill(presets: Preset[]): void {
    this.select.replaceChildren(...presets.map((preset) => make("option", { value: preset.id, textContent: preset.name, title: preset.description ?? "" })));
    this.value = this.getAttribute("value") ?? "standard";
  }
}

/** An input as its template has it, and as JSON Schema. */
interface Short {
  type?: string;
  items?: { type?: string };
}
interface Input {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  format?: string;
}
type Read = () => Promise<unknown>;

/** A field for one input, and what reads it: undefined where nothing was given. */
function field(name: string, input: Input, short: Short | undefined, required: boolean): [HTMLElement, Read] {
  const type = short?.type ?? (Array.isArray(input.type) ? input.type.find((one) => one !== "null") : input.type);
  const text = (input.title ?? name) + (required ? " *" : "");
  const whole = (control: HTMLElement): HTMLElement => make("label", { className: "fnr-field", title: input.description ?? "" }, make("span", { textContent: text }), control);

  if (type === "file" || short?.items?.type === "file") {
    const control = make("input", { type: "file", required, multiple: type === "array" });
    return [whole(control), async () => {
      const sent = await Promise.all([...(control.files ?? [])].map(async (one) => `upload:${(await asked().upload(one)).id}`));
      return type === "array" ? (sent.length ? sent : undefined) : sent[0];
    }];
  }
  if (input.enum) {
    const control = make("select", { required }, ...(required ? [] : [make("option", { value: "", textContent: "–" })]), ...input.enum.map((one) => make("option", { value: JSON.stringify(one), textContent: String(one) })));
    if (input.default !== undefined) control.value = JSON.stringify(input.default);
    return [whole(control), async () => (control.value ? (JSON.parse(control.value) as unknown) : undefined)];
  }
  if (type === "boolean") {
    const control = make("input", { type: "checkbox", checked: input.default === true });
    return [whole(control), async () => control.checked];
  }
  if (type === "integer" || type === "number") {
    const control = make("input", { type: "number", required, step: type === "integer" ? "1" : "any", min: String(input.minimum ?? ""), max: String(input.maximum ?? ""), value: String(input.default ?? "") });
    return [whole(control), async () => (control.value === "" ? undefined : control.valueAsNumber)];
  }
  if (type === "string" || type === undefined) {
    const control = make("input", { type: "text", required, value: String(input.default ?? "") });
    if (input.maxLength) control.maxLength = input.maxLength;
    return [whole(control), async () => (control.value === "" && !required ? undefined : control.value)];
  }
  const control = make("textarea", { required, value: input.default === undefined ? "" : JSON.stringify(input.default) });
  return [whole(control), async () => (control.value.trim() ? (JSON.parse(control.value) as unknown) : undefined)];
}

/**
 * A function as a form: attributes `template`, `project`, `shot`. Fields from its schema, a quality, progress, and the
 * result. Events: "fnr-submitted" with the handle as detail, "fnr-end" with the job.
 */
export class FnrRun extends HTMLElement {
  private reads = new Map<string, Read>();

  connectedCallback(): void {
    const id = this.getAttribute("template") ?? "";
    Promise.all([asked().request("get", "/api/v1/templates/{id}", { path: { id } }), asked().request("get", "/api/v1/templates/{id}/schema", { path: { id } })])
      .then(([template, schema]) => this.draw(template.name, template.inputs as Record<string, Short>, schema as { properties?: Record<string, Input>; required?: string[] }),
        (error: unknown) => this.replaceChildren(make("p", { role: "alert", textContent: words(error) })));
  }

  private draw(name: string, inputs: Record<string, Short>, schema: { properties?: Record<string, Input>; required?: string[] }): void {
    const form = make("form", { className: "fnr-form" });
    const quality = document.createElement("fnr-quality") as FnrQuality;
    const button = make("button", { type: "submit", textContent: name });
    this.reads.clear();
    for (const [key, input] of Object.entries(schema.properties ?? {})) {
      const [element, read] = field(key, input, inputs[key], schema.required?.includes(key) ?? false);
      this.reads.set(key, read);
      form.append(element);
    }
    form.append(quality, button);
    form.onsubmit = (event) => {
      event.preventDefault();
      button.disabled = true;
      this.submit(quality.value).catch((error: unknown) => this.tell(words(error))).finally(() => (button.disabled = false));
    };
    this.replaceChildren(form, make("div", { className: "fnr-result" }));
  }

  private async submit(quality: string): Promise<void> {
    const inputs: Record<string, unknown> = {};
    for (const [name, read] of this.reads) {
      const value = await read();
      if (value !== undefined) inputs[name] = value;
    }
    const more = { quality, project: this.getAttribute("project"), shot: this.getAttribute("shot") };
    const handle = await asked().run(this.getAttribute("template") ?? "", inputs as Submission["inputs"], more);
    const progress = document.createElement("fnr-progress") as FnrProgress;
    progress.handle = handle;
    progress.addEventListener("fnr-end", (event) => void this.show((event as CustomEvent<Job>).detail).catch((error: unknown) => this.tell(words(error))));
    this.querySelector(".fnr-result")?.replaceChildren(progress);
    this.dispatchEvent(new CustomEvent<JobHandle>("fnr-submitted", { detail: handle, bubbles: true }));
  }
  /** Pictures, players and links cannot send a key: each gets an address of its own, for ten minutes. */
  private async show(job: Job): Promise<void> {
    for (const output of job.outputs) {
      const ticket = await asked().request("post", "/api/v1/tickets", { body: { path: output.url } });
      const src = asked().http.address(ticket.url).href;
      const kind = output.media_type.split("/")[0];
      const shown = kind === "image" ? [make("img", { src, alt: output.name })] : kind === "video" ? [make("video", { src, controls: true })] : kind === "audio" ? [make("audio", { src, controls: true })] : [];
      const link = make("a", { href: src, textContent: `${output.name} (${output.media_type})`, download: "" });
      this.querySelector(".fnr-result")?.append(make("figure", {}, ...shown, make("figcaption", {}, link)));
    }
  }
  private tell(text: string): void {
    this.querySelector(".fnr-result")?.append(make("p", { role: "alert", textContent: text }));
  }
}

for (const [name, element] of [["fnr-progress", FnrProgress], ["fnr-quality", FnrQuality], ["fnr-run", FnrRun]] as const) {
  if (!customElements.get(name)) customElements.define(name, element);
}
