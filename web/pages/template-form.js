// A template as a form: what most have has a field, the rest is kept as it is.

import { h } from "../dom.js";
import { Form } from "../form.js";
import { Repeater } from "../repeater.js";

const CATEGORIES = ["image", "video", "audio", "text", "generic"];
const INPUT_TYPES = ["string", "integer", "number", "boolean", "file", "array", "object", "any"];
const OUTPUT_TYPES = ["image", "video", "audio", "text", "json", "file"];
const short = (title, more) => ({ type: "string", maxLength: 100, title, ...more });
const long = (title, more) => ({ type: "string", maxLength: 1000, title, ...more });
const list = (title, more) => ({ type: "array", items: { type: "string" }, title, ...more });
const whole = (title, more) => ({ type: "integer", title, ...more });
const object = (title, description) => ({ type: "object", title, description, "x-group": "As JSON" });
const array = (title, description) => ({ type: "array", title, description, "x-group": "As JSON" });

const BASIC = { required: ["id", "version", "name", "category"], properties: {
  id: short("Id", { description: "Small letters, digits, _" }), version: short("Version", { description: "For example 1.0.0; jobs keep the one they asked for." }),
  name: short("Name"), category: { enum: CATEGORIES, title: "Category" }, description: long("Description"),
  author: short("Author"), tags: list("Tags"), queue: short("Queue", { description: "Empty: as its resources say." }),
  timeout_s: whole("Longest attempt", { "x-unit": "s" }), on_lost: { enum: ["retry", "fail"], title: "If an attempt is lost" },
  extends: short("Extends", { description: "Another template, like create_title_card@1." }),
} };
const REST = { required: ["backend"], properties: {
  backend: object("Backend", "What it runs on, and how."), parameters: object("Parameters", "Defaults beside those of the inputs."),
  presets: object("Presets", "What qualities change."),
  resources: object("Resources"), limits: object("Limits"), stages: object("Stages"), retry: object("Retry"),
  models: array("Models"), errors: array("Errors"), examples: array("Examples"),
} };
const INPUT = { required: ["name", "type"], properties: {
  name: short("Name"), type: { enum: INPUT_TYPES, title: "Type" }, label: short("Label"),
  required: { type: "boolean", title: "Needed", default: false }, description: long("Description"),
  default: { format: "loose", title: "Default" }, min: { format: "loose", title: "At least" }, max: { format: "loose", title: "At most" },
  min_length: whole("Shortest"), max_length: whole("Longest"), enum: { type: "array", items: { format: "loose" }, title: "One of" },
  media: list("Media types", { description: "For files, like image/*." }), more: { type: "object", title: "More", description: "Other members, as JSON." },
} };
const OUTPUT = { required: ["name", "type"], properties: {
  name: short("Name"), type: { enum: OUTPUT_TYPES, title: "Type" }, media_type: short("Media type"), description: long("Description"),
  more: { type: "object", title: "More", description: "Other members, as JSON." } } };

/** {text: {type, …}} as [{name: "text", type, …, more: {what has no field}}]; and back. */
function unfold(things, schema) {
  return Object.entries(things ?? {}).map(([name, value]) => {
    const known = Object.entries(value).filter(([member]) => member in schema.properties);
    const rest = Object.entries(value).filter(([member]) => !(member in schema.properties));
    return { name, ...Object.fromEntries(known), ...(rest.length && { more: Object.fromEntries(rest) }) };
  });
}

const fold = (entries) => Object.fromEntries(entries.map(({ name, more, required, ...members }) => [name, { ...members, ...(required && { required }), ...more }]));
const pick = (definition, schema) => Object.fromEntries(Object.entries(definition).filter(([member]) => member in schema.properties));

export class TemplateForm {
  #kept = {};      // members without a field

  constructor(changed) {
    this.basic = new Form(BASIC, changed, "");
    this.rest = new Form(REST, changed, "");
    this.inputs = new Repeater("Inputs", "input", INPUT, ({ name, type }) => name && `${name} (${type})`, changed);
    this.outputs = new Repeater("Outputs", "output", OUTPUT, ({ name, type }) => name && `${name} (${type})`, changed);
    this.element = h("form", { novalidate: true, oninput: changed, onchange: changed, onsubmit: (event) => event.preventDefault() },
      this.basic.element, this.inputs.element, this.outputs.element, this.rest.element);
  }

  set(definition) {
    const { inputs, outputs, ...others } = definition;
    this.basic.fill(pick(others, BASIC));
    this.rest.fill(pick(others, REST));
    this.inputs.set(unfold(inputs, INPUT));
    this.outputs.set(unfold(outputs, OUTPUT));
    this.#kept = Object.fromEntries(Object.entries(others).filter(([member]) => !(member in BASIC.properties) && !(member in REST.properties)));
  }

  /** The definition. Throws FormError when something is missing or cannot be read; with `focus` the field gets it. */
  async get(focus = false) {
    const [basic] = await this.basic.inputs(focus);
    const inputs = await this.inputs.get(focus);
    const outputs = await this.outputs.get(focus);
    const [rest] = await this.rest.inputs(focus);
    return { ...basic, ...this.#kept, inputs: fold(inputs), outputs: fold(outputs), ...rest };
  }

  /** What is wrong, at the fields that it is about. */
  mark(errors) {
    for (const form of [this.basic, this.rest]) {
      for (const field of form.fields) {
        const found = errors.find((one) => one.pointer === `/${field.name}` || one.pointer.startsWith(`/${field.name}/`));
        field.error(found && [found.message, found.fix].filter(Boolean).join(": "));
      }
    }
  }
}
