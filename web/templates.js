// The functions there are, and the qualities: read once, and again when the server says that they changed.

import { get } from "./api.js";
import { listen } from "./stream.js";

const CATEGORY_WORDS = { image: "Pictures", video: "Films", audio: "Sound", text: "Text", generic: "Other" };
export const categoryWord = (category) => CATEGORY_WORDS[category] ?? category.charAt(0).toUpperCase() + category.slice(1);
let templates = null;
let presets = null;
const schemas = new Map();

export function forget() {
  templates = null;
  presets = null;
  schemas.clear();
}

listen((message) => {
  if (message.kind === "anew" || (message.kind === "event" && /^(template|preset|backend)\.changed$/.test(message.name))) forget();
});

async function all(path) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(`${path}?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/** A promise that failed is not kept. */
function kept(read, keep) {
  const promise = read();
  keep(promise);
  promise.catch(() => keep(null));
  return promise;
}

export const listTemplates = () => templates ?? kept(async () => (await all("templates")).sort((a, b) => a.name.localeCompare(b.name)),
  (value) => { templates = value; });

/** The four qualities first, in their order. */
export const listPresets = () => presets ?? kept(async () => (await all("presets")).sort((a, b) => a.level - b.level),
  (value) => { presets = value; });

export async function findTemplate(id) {
  return (await listTemplates()).find((template) => template.id === id) ?? null;
}

/** JSON Schema of a function's inputs. */
export function schemaOf(id) {
  if (!schemas.has(id)) {
    schemas.set(id, get(`templates/${encodeURIComponent(id)}/schema`));
    schemas.get(id).catch(() => schemas.delete(id));
  }
  return schemas.get(id);
}

/** Does a list of media types as in a template ("image/*") allow this one? */
export function mediaFits(list, type) {
  return !list?.length || list.some((one) => one === type || (one.endsWith("/*") && type?.startsWith(one.slice(0, -1))));
}

/** [{template, input}]: where a result of this media type can be used, the first fitting input of each function. */
export async function usesOf(type) {
  const uses = [];
  for (const template of await listTemplates()) {
    for (const [name, input] of Object.entries(template.inputs ?? {})) {
      const file = input.type === "array" ? input.items : input;
      if (file?.type === "file" && file.media?.length && mediaFits(file.media, type)) {
        uses.push({ template, input: name });
        break;
      }
    }
  }
  return uses;
}
