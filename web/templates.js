// The functions there are, and the qualities: read once, and again when the server says that they changed, or something else is to be shown.

import { get } from "./api.js";
import { listen } from "./stream.js";

const CATEGORY_WORDS = { image: "Pictures", video: "Films", audio: "Sound", text: "Text", generic: "Other" };
export const categoryWord = (category) => CATEGORY_WORDS[category] ?? category.charAt(0).toUpperCase() + category.slice(1);

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

/** What was read is kept until it is forgotten; what could not be read is not. */
class Known {
  #read;
  #promise = null;

  constructor(read) {
    this.#read = read;
  }

  get() {
    const promise = this.#promise ??= this.#read();
    promise.catch(() => {
      if (this.#promise === promise) this.#promise = null;
    });
    return promise;
  }

  forget() {
    this.#promise = null;
  }
}

const templates = new Known(async () => (await all("templates")).sort((a, b) => a.name.localeCompare(b.name)));
const presets = new Known(async () => (await all("presets")).sort((a, b) => a.level - b.level));
const missing = new Set();      // ids that are not there even in a list that was read to look for them

/** The next who asks gets what is on the server then: an event that tells of a change may still be on its way, or may be lost. */
export function forget() {
  templates.forget();
  presets.forget();
  missing.clear();
}

listen((message) => {
  if (message.kind === "anew" || (message.kind === "event" && /^(template|preset|backend)\.changed$/.test(message.name))) forget();
});

export const listTemplates = () => templates.get();

/** The four qualities first, in their order. */
export const listPresets = () => presets.get();

/** {id: template} as a Map, of those that there are. No list that is known already decides that one is not there. */
export async function findTemplates(ids) {
  const pick = (list) => new Map(list.filter((template) => ids.includes(template.id)).map((template) => [template.id, template]));
  const found = pick(await listTemplates());
  const lost = ids.filter((id) => !found.has(id) && !missing.has(id));
  if (!lost.length) return found;
  templates.forget();
  for (const id of lost) missing.add(id);
  return pick(await listTemplates());
}

export const findTemplate = async (id) => (await findTemplates([id])).get(id) ?? null;

/** Those of jobs, dead letters or takes, in the same way. */
export const templatesOf = (things) => findTemplates([...new Set(things.map((thing) => thing.template))]);

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
