// Times as people say them; those that are shown are kept right.

import { h, seconds } from "./dom.js";

const AGAIN_MS = 30000;

/** "3 min ago", "in 2 hr". */
export function ago(time) {
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const passed = (Date.now() - Date.parse(time)) / 1000;
  const far = Math.abs(passed);
  const say = (one, unit) => words.format(-Math.sign(passed) * Math.max(1, Math.round(far / one)), unit);
  if (far < 45) return passed < 0 ? "in a moment" : "just now";
  if (far < 2700) return say(60, "minute");
  if (far < 72000) return say(3600, "hour");
  return say(86400, "day");
}

/** A time: how long ago, and exactly when one points at it. Nothing for null. */
export const when = (time) => time && h("time", { class: "ago", datetime: time, title: new Date(time).toLocaleString() }, ago(time));

/** How long something is that was measured: short times exactly. */
export const span = (count) => (count < 9.95 ? `${count.toFixed(1)} s` : seconds(count));

/** How long it was from one time to another; nothing if one of them is null. */
export const took = (from, to) => from && to && span((Date.parse(to) - Date.parse(from)) / 1000);

setInterval(() => {
  for (const one of document.querySelectorAll("time.ago")) one.textContent = ago(one.dateTime);
}, AGAIN_MS);
