// One field for one input, from its JSON Schema.

import { get } from "./api.js";
import { h, uniqueId } from "./dom.js";
import { fileField } from "./file-field.js";

const LONG_TEXT = 120;   // from so many characters on a text has a larger field
const isFile = (schema) => schema.format === "file";
const isLines = (schema) => schema.type === "array" && schema["x-control"] !== "json" && !schema.enum && !isFile(schema.items ?? {}) &&
  (["string", "number", "integer"].includes(schema.items?.type) || schema.items?.format === "loose");

const labelOf = (name, schema) => schema.title ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");

function range(schema) {
  const unit = schema["x-unit"] ? ` ${schema["x-unit"]}` : "";
  const least = schema.minimum ?? schema.exclusiveMinimum;
  const most = schema.maximum ?? schema.exclusiveMaximum;
  if (least !== undefined && most !== undefined) return `From ${least} to ${most}${unit}.`;
  if (least !== undefined) return `At least ${least}${unit}.`;
  if (most !== undefined) return `At most ${most}${unit}.`;
  return unit && `In${unit}.`;
}

/* Each kind: {element, get(), set(value), focus(), mark(invalid)}; get() gives undefined for "not given". */

function simple(element, get, set) {
  return { element, get, set, focus: () => element.focus(), mark: (invalid) => element.setAttribute("aria-invalid", String(invalid)) };
}

function choice(schema, attributes, required) {
  const empty = !required && schema.default === undefined;
  const select = h("select", attributes, empty && h("option", { value: "" }, "—"),
    schema.enum.map((value, i) => h("option", { value: String(i) }, schema["x-labels"]?.[i] ?? String(value))));
  return simple(select, () => (select.value === "" ? undefined : schema.enum[Number(select.value)]), (value) => {
    const place = schema.enum.indexOf(value);
    select.value = place < 0 ? (empty ? "" : "0") : String(place);
  });
}

function number(schema, attributes) {
  const input = h("input", { ...attributes, type: "number", min: schema.minimum, max: schema.maximum, inputmode: schema.type === "integer" ? "numeric" : "decimal",
    step: schema.type === "integer" ? 1 : "any" });
  return simple(input, () => {
    if (input.validity.badInput) throw new Error("This is not a number.");
    return input.value === "" ? undefined : Number(input.value);
  }, (value) => { input.value = value ?? ""; });
}

/** A number with a slider beside it, for which both ends are known. */
function slider(schema, attributes, label) {
  const field = number(schema, attributes);
  const input = field.element;
  const bar = h("input", { type: "range", "aria-label": `${label}: slide`, min: schema.minimum, max: schema.maximum,
    step: schema.multipleOf ?? (schema.type === "integer" ? 1 : (schema.maximum - schema.minimum) / 100), oninput: () => { input.value = bar.value; } });
  const follow = () => {
    bar.classList.toggle("empty", input.value === "");
    bar.value = input.value === "" ? (schema.minimum + schema.maximum) / 2 : input.value;
  };
  input.addEventListener("input", follow);
  bar.addEventListener("input", follow);
  return {
    ...field, element: h("div", { class: "row" }, bar, input),
    set(value) {
      field.set(value);
      follow();
    },
  };
}

/** A moment, in the time of this place; as the API has it, in that of the world. */
function moment(schema, attributes) {
  const input = h("input", { ...attributes, type: "datetime-local" });
  return simple(input, () => {
    if (input.validity.badInput) throw new Error("This is not a whole date with a time.");
    return input.value === "" ? undefined : new Date(input.value).toISOString();
  }, (value) => {
    const date = value ? new Date(value) : null;
    input.value = date ? new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16) : "";
  });
}

function secret(schema, attributes) {
  const input = h("input", { ...attributes, type: "password", autocomplete: "off", spellcheck: "false" });
  return simple(input, () => input.value || undefined, (value) => { input.value = value ?? ""; });
}

function truth(schema, attributes) {
  const input = h("input", { ...attributes, type: "checkbox" });
  return simple(input, () => input.checked, (value) => { input.checked = Boolean(value); });
}

const sixDigits = (color) => /^#[0-9a-f]{3}$/i.test(color) ? color.replace(/[0-9a-f]/gi, "$&$&") : color.slice(0, 7);

function color(schema, attributes, label) {
  const text = h("input", { ...attributes, type: "text", class: "color", spellcheck: "false", placeholder: "#rrggbb", maxlength: 9 });
  const picker = h("input", { type: "color", "aria-label": `${label}: choose a colour`, oninput: () => { text.value = picker.value; } });
  const follow = () => {
    picker.classList.toggle("empty", text.value === "");
    if (/^#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})$/i.test(text.value)) picker.value = sixDigits(text.value);
  };
  const field = simple(text, () => text.value.trim() || undefined, (value) => {
    text.value = value ?? "";
    follow();
  });
  text.addEventListener("input", follow);
  picker.addEventListener("input", follow);
  follow();
  return { ...field, element: h("div", { class: "row" }, picker, text) };
}

/** What backends have at the moment; anything else may be written as well. */
function offered(schema, attributes, required) {
  const list = h("datalist", { id: `${attributes.id}-offered` });
  const input = h("input", { ...attributes, type: "text", maxlength: schema.maxLength, list: list.id, autocomplete: "off", spellcheck: "false" });
  get(`models?category=${encodeURIComponent(schema["x-choices"])}&limit=500`)
    .then((page) => list.append(...page.items.map((model) => h("option", { value: model.name }))), () => {}); // without, it is a field for text
  const field = simple(input, () => (input.value === "" && (required || schema.default === undefined) ? undefined : input.value), (value) => { input.value = value ?? ""; });
  return { ...field, element: h("div", {}, input, list) };
}

/** 1: a field that takes no more than one line. */
function rowsOf({ maxLength, "x-control": control }) {
  if (control === "text") return 1;
  if (maxLength === undefined) return 3;
  if (maxLength > 1000) return 6;
  return control === "textarea" || maxLength > LONG_TEXT ? 2 : 1;
}

function text(schema, attributes, required) {
  const rows = rowsOf(schema);
  const limits = { ...attributes, maxlength: schema.maxLength };
  const element = rows > 1 ? h("textarea", { ...limits, rows }) : h("input", { ...limits, type: "text" });
  return simple(element, () => (element.value === "" && (required || schema.default === undefined) ? undefined : element.value), (value) => { element.value = value ?? ""; });
}

/** "5" and "true" and "[1]" are what JSON says they are; anything else is a text as it stands. */
function loosely(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const looseText = (value) => (typeof value === "string" && typeof loosely(value) === "string" && !value.startsWith('"') ? value : JSON.stringify(value));

/** Any value in one line. */
function loose(schema, attributes) {
  const input = h("input", { ...attributes, type: "text", spellcheck: "false" });
  return simple(input, () => (input.value.trim() === "" ? undefined : loosely(input.value.trim())),
    (value) => { input.value = value === undefined || value === null ? "" : looseText(value); });
}

/** Lists of texts and numbers, or of any values: one in each line. */
function lines(schema, attributes) {
  const element = h("textarea", { ...attributes, rows: 4 });
  const one = schema.items.type;
  return simple(element, () => {
    const values = element.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!values.length) return undefined;
    if (one === "string") return values;
    if (schema.items.format === "loose") return values.map(loosely);
    const wrong = values.find((value) => Number.isNaN(Number(value)));
    if (wrong !== undefined) throw new Error(`“${wrong}” is not a number. Write one number in each line.`);
    return values.map(Number);
  }, (value) => { element.value = (value ?? []).map((each) => (one === "string" ? each : looseText(each))).join("\n"); });
}

function json(schema, attributes) {
  const element = h("textarea", { ...attributes, rows: 5, class: "code", spellcheck: "false" });
  return simple(element, () => {
    if (element.value.trim() === "") return undefined;
    try {
      return JSON.parse(element.value);
    } catch (error) {
      throw new Error(`This is not JSON: ${error.message}`);
    }
  }, (value) => { element.value = value === undefined ? "" : JSON.stringify(value, null, 2); });
}

function files(schema, attributes, changed) {
  const list = schema.type === "array";
  const one = list ? schema.items : schema;
  const field = fileField(attributes.id, one, { most: list ? schema.maxItems ?? Infinity : 1, many: !list, describedby: attributes["aria-describedby"], changed });
  return {
    ...field,
    /** For one file: of several, the first; all() has them all. */
    async get() {
      const references = await field.value();
      return references.length ? (list ? references : references[0]) : undefined;
    },
    all: list ? null : field.value,
    set: (value) => field.set(value === undefined || value === null ? [] : [value].flat()),
  };
}

const FORMATS = { color, "date-time": moment, password: secret, loose };

const slides = (schema) => schema["x-control"] === "slider" && schema.minimum !== undefined && schema.maximum !== undefined;

/** By the control that the template asks for, where it is one for such values; else by what they are. */
function kindOf(schema, attributes, required, label, changed) {
  if (isFile(schema) || (schema.type === "array" && isFile(schema.items ?? {}))) return files(schema, attributes, changed);
  if (schema.enum) return choice(schema, attributes, required);
  if (schema.type === "integer" || schema.type === "number") return slides(schema) ? slider(schema, attributes, label) : number(schema, attributes);
  if (schema.type === "boolean") return truth(schema, attributes);
  if (schema.type === "string" && schema["x-control"] === "color") return color(schema, attributes, label);
  if (Object.hasOwn(FORMATS, schema.format ?? "")) return FORMATS[schema.format](schema, attributes, label);
  if (schema.type === "string" && schema["x-choices"]) return offered(schema, attributes, required);
  if (schema.type === "string") return text(schema, attributes, required);
  if (isLines(schema)) return lines(schema, attributes);
  return json(schema, attributes);
}

/** A field with its label, hint and place for an error. */
export function makeField(name, schema, required, changed = () => {}) {
  const id = uniqueId("field");
  const label = labelOf(name, schema);
  const error = h("p", { class: "error", id: `${id}-error`, "aria-live": "polite" });
  const hints = [schema.description, range(schema), isLines(schema) ? "One in each line." : "",
    isFile(schema) ? "Several files make a job each." : ""];
  const hint = h("p", { class: "hint", id: `${id}-hint` }, hints.filter(Boolean).join(" "));
  const attributes = { id, name, "aria-describedby": `${id}-error ${id}-hint`, "aria-required": required ? "true" : undefined };
  const kind = kindOf(schema, attributes, required, label, changed);
  const caption = h("label", { for: id }, label, required && h("span", { class: "needed" }, " needed"));
  const element = h("div", { class: `field ${schema.type === "boolean" ? "truth" : ""}` },
    ...(schema.type === "boolean" ? [h("div", { class: "row" }, kind.element, caption)] : [caption, kind.element]), error, hint);

  kind.set(schema.default);
  return {
    ...kind, name, label, element, required, group: schema["x-group"] ?? "",
    error(text) {
      error.textContent = text ?? "";
      kind.mark(Boolean(text));
    },
    reset: () => kind.set(schema.default),
  };
}
