// Results as people see and hear them.

import { address } from "./api.js";
import { bytes, h, icon, seconds } from "./dom.js";

const family = (output) => output.media_type?.split("/")[0] ?? "other";
const place = (output) => address(output.url);
export const fileName = (output) => output.path?.split("/").pop() ?? output.name;
export const thumbnail = (output) => (output.thumbnail ? address(output.thumbnail) : null);

const AWAITED_MS = 60000;

/** Thumbnails are made soon after a job is done: is one still to be expected? */
export const thumbnailsAwaited = (job) => job.state === "completed" && Date.now() - Date.parse(job.finished_at) < AWAITED_MS &&
  (job.outputs ?? []).some((output) => output.thumbnail === null && ["image", "video", "audio"].includes(family(output)));

/** "1280 × 720 · 4 s · 21 KB" */
export function facts(output) {
  return [
    output.width && output.height ? `${output.width} × ${output.height}` : "",
    output.duration ? seconds(output.duration) : "",
    output.bytes !== undefined ? bytes(output.bytes) : "",
  ].filter(Boolean).join(" · ");
}

function shown(output, alt) {
  const src = place(output);
  const bad = (event) => event.target.replaceWith(h("p", { class: "notice" }, "This browser cannot show the file; download it."));
  switch (family(output)) {
    case "image": return h("a", { href: src, target: "_blank", rel: "noopener" }, h("img", { src, alt, width: output.width, height: output.height, onerror: bad }));
    case "video": return h("video", { src, controls: true, preload: "metadata", poster: thumbnail(output), "aria-label": alt, onerror: bad });
    case "audio": return h("div", { class: "sound" }, thumbnail(output) && h("img", { src: thumbnail(output), alt: "" }),
      h("audio", { src, controls: true, preload: "metadata", "aria-label": alt, onerror: bad }));
    default: return h("p", { class: "file" }, icon("other"), fileName(output));
  }
}

/** One result with what it is and a way to get it. `alt` says what it shows. */
export function outputView(output, alt) {
  return h("figure", { class: `output ${family(output)}` }, shown(output, alt),
    h("figcaption", {}, h("span", {}, h("span", { class: "name" }, fileName(output)), " ", h("span", { class: "quiet" }, facts(output))),
      h("a", { class: "button", href: place(output), download: fileName(output) }, "Download")));
}

/** A small picture of a job's first result, or of its kind. */
export function smallPicture(job, category) {
  const output = job.outputs?.[0];
  const src = output && (thumbnail(output) ?? (family(output) === "image" && output.bytes < 300000 ? place(output) : null));
  if (!src) return icon(output ? family(output) : category);
  return h("img", { src, alt: "", loading: "lazy", onerror: (event) => event.target.replaceWith(icon(family(output))) });
}
