// The field for files: choose, drop or name an address; each file is sent at once, with progress, and can be taken away again.

import { address, upload } from "./api.js";
import { bytes, h, icon, uniqueId } from "./dom.js";
import { mediaFits } from "./templates.js";

/** What a reference says to people: "job:<id>/<output>", "take:project/shot/3/name", an address. */
function referenceWords(reference) {
  const [kind, rest = ""] = reference.split(/:(.*)/s);
  if (kind === "job") return `Result “${rest.split("/")[1] ?? ""}” of an earlier job`;
  if (kind === "take") return `Take ${rest.split("/").slice(0, 3).join(" / ")}: ${rest.split("/")[3] ?? ""}`;
  if (kind === "takes") return `All takes of ${rest}`;
  if (kind === "upload") return "A file that was sent before";
  if (kind === "data") return "Data of an earlier job";
  return reference;
}

/** Where a browser can see what is behind a reference; null if it cannot. */
function referencePicture(reference) {
  const [, id, output] = /^job:([^/]+)\/(.+)$/.exec(reference) ?? [];
  return id ? address(`jobs/${id}/outputs/${encodeURIComponent(output)}`) : null;
}

/**
 * `schema` is that of one file; `most` is how many it may have. `changed()` is called when the list changed. The value is a list of
 * references. `many`: several files at a field for one make several jobs.
 */
export function fileField(id, schema, { most, many, describedby, changed }) {
  const media = schema["x-media"] ?? [];
  const entries = [];
  const list = h("ul", { class: "files" });
  const news = h("p", { class: "away", role: "status" });
  const input = h("input", { type: "file", id, accept: media.join(","), multiple: most > 1 || many, "aria-describedby": describedby, onchange: () => {
    add([...input.files]);
    input.value = "";
  } });
  const web = h("input", { type: "url", id: uniqueId("address"), placeholder: "https://…", onkeydown: (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    addAddress();
  } });
  const drop = h("div", { class: "drop", ondragover, ondragleave, ondrop }, input,
    h("span", { class: "quiet", "aria-hidden": "true" }, most > 1 || many ? "or drop files here" : "or drop a file here"));
  const element = h("div", { class: "file-field" }, list, drop,
    h("details", {}, h("summary", {}, "Use an address on the web"),
      h("div", { class: "row" }, h("label", { for: web.id, class: "away" }, "Address"), web,
        h("button", { type: "button", onclick: addAddress }, "Add"))), news);

  function ondragover(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  }

  function ondragleave() {
    drop.classList.remove("over");
  }

  function ondrop(event) {
    event.preventDefault();
    drop.classList.remove("over");
    add([...event.dataTransfer.files]);
  }

  function addAddress() {
    if (!web.value.trim()) return;
    make({ name: web.value.trim(), reference: web.value.trim() });
    web.value = "";
  }

  function add(files) {
    for (const file of files) {
      const fits = mediaFits(media, file.type) || !file.type;
      const entry = make({ name: file.name, file });
      if (!fits) fail(entry, `This is ${file.type}; needed is ${media.join(" or ")}.`);
      else send(entry);
    }
  }

  function make(entry) {
    if (most === 1 && !many) while (entries.length) takeAway(entries[0]);
    entry.abort = new AbortController();
    entry.note = h("span", { class: "quiet" });
    entry.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": `Sending ${entry.name}` });
    entry.item = h("li", {}, preview(entry), h("span", { class: "what" }, h("span", { class: "name" }, entry.name), entry.note, entry.bar),
      (most > 1) && h("button", { type: "button", class: "small", "aria-label": `Move ${entry.name} forward`, title: "Move forward",
        onclick: () => forward(entry) }, "↑"),
      h("button", { type: "button", class: "small", "aria-label": `Remove ${entry.name}`, title: "Remove", onclick: () => {
        takeAway(entry);
        input.focus();
      } }, "×"));
    entries.push(entry);
    list.append(entry.item);
    changed();
    return entry;
  }

  function preview(entry) {
    const seen = entry.file ? URL.createObjectURL(entry.file) : referencePicture(entry.reference);
    entry.url = entry.file ? seen : null;
    if (!seen || (entry.file && !entry.file.type.startsWith("image/"))) return icon(entry.file?.type.split("/")[0]);
    return h("img", { src: seen, alt: "", onerror: (event) => event.target.replaceWith(icon("other")) });
  }

  async function send(entry) {
    entry.bar.hidden = false;
    entry.failed = null;
    entry.note.textContent = bytes(entry.file.size);
    entry.sending = (async () => {
      try {
        entry.reference = `upload:${(await upload(entry.file, (part) => { entry.bar.value = part; }, entry.abort.signal)).id}`;
        news.textContent = `${entry.name} was sent.`;
      } catch (error) {
        if (error.name !== "AbortError") fail(entry, error.message, () => send(entry));
      }
      entry.bar.hidden = true;
      entry.sending = null;
      changed();
    })();
  }

  function fail(entry, why, again) {
    entry.failed = why;
    entry.item.classList.add("failed");
    entry.note.replaceChildren(why, again ? " " : "", ...(again ? [h("button", { type: "button", class: "link", onclick: () => {
      entry.item.classList.remove("failed");
      again();
    } }, "Send again")] : []));
    news.textContent = `${entry.name}: ${why}`;
    changed();
  }

  function takeAway(entry) {
    entry.abort.abort();
    if (entry.url) URL.revokeObjectURL(entry.url);
    entries.splice(entries.indexOf(entry), 1);
    entry.item.remove();
    changed();
  }

  function forward(entry) {
    const place = entries.indexOf(entry);
    if (place <= 0) return;
    entries.splice(place, 1);
    entries.splice(place - 1, 0, entry);
    list.insertBefore(entry.item, entries[place].item);
    entry.item.querySelector("button").focus();
    news.textContent = `${entry.name} is number ${place} of ${entries.length} now.`;
    changed();
  }

  return {
    element,
    focus: () => input.focus(),
    /** References of all files, once they are sent; throws if one could not be. */
    async value() {
      await Promise.all(entries.map((entry) => entry.sending));
      const failed = entries.find((entry) => entry.failed);
      if (failed) throw new Error(`${failed.name}: ${failed.failed}`);
      return entries.map((entry) => entry.reference);
    },
    count: () => entries.length,
    set(references) {
      while (entries.length) takeAway(entries[0]);
      for (const reference of references) make({ name: referenceWords(reference), reference });
    },
    mark(invalid) {
      input.setAttribute("aria-invalid", String(invalid));
    },
  };
}
