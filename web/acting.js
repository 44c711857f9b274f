// Doing something that may fail: how it went is said in one line of the page.

import { Problem, Unreachable } from "./api.js";
import { h } from "./dom.js";

/** Gives {news, act(work)}. `said(value)` gives what to say of what `work` gave, or nothing; `after()` is called in any case. */
export function acting(said, after) {
  const news = h("p", { role: "status", class: "quiet news" });
  async function act(work) {
    news.textContent = "";
    try {
      const value = await work();
      news.replaceChildren(...[said?.(value) || []].flat());
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) console.error(error);
      news.textContent = [error.message, error.suggestion].filter(Boolean).join(" ");
    }
    after?.();
  }
  return { news, act };
}

/** A small button in the row of a thing with this name. */
export const rowButton = (act, label, name, work) => h("button", { type: "button", class: "small", "aria-label": `${label} ${name}`, onclick: () => act(work) }, label);
