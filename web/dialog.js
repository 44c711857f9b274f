// Questions: a yes or no, and a small form, above the page.

import { h, uniqueId } from "./dom.js";
import { Form, FormError } from "./form.js";

/** Gives the focus back to what has it now, or to what is in its place then: its row may be drawn anew meanwhile. */
function focusKeeper() {
  const one = document.activeElement;
  const row = one.closest("tr, li");
  const fields = () => [...row.querySelectorAll("a, button, input, select")];
  const place = row ? fields().indexOf(one) : -1;
  return () => {
    if (!one.isConnected && place >= 0) fields()[place]?.focus();
  };
}

/** Shows a dialog until it is closed; what had the focus gets it back. `fill(close)` gives its content. */
function show(title, fill) {
  const id = uniqueId("dialog");
  const giveBack = focusKeeper();
  let result;
  return new Promise((done) => {
    const dialog = h("dialog", { "aria-labelledby": id, onclose: () => {
      dialog.remove();
      giveBack();
      done(result);
    } });
    const close = (value) => {
      result = value;
      dialog.close();
    };
    dialog.append(h("h2", { id }, title), ...[fill(close)].flat(2).filter(Boolean));
    document.body.append(dialog);
    dialog.showModal();
  });
}

const dismiss = (close, label = "Cancel") => h("button", { type: "button", onclick: () => close() }, label);

addEventListener("hashchange", () => {   // it was about what is not shown any more
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
});

/** Is it really wanted? `action` is what the button says that does it. */
export const ask = (title, text, action) => show(title, (close) => [h("p", {}, text),
  h("div", { class: "actions" }, h("button", { type: "button", class: "main", onclick: () => close(true) }, action), dismiss(close))]);

/** Something to read or to copy. */
export const tell = (title, ...content) => show(title, (close) => [...content, h("div", { class: "actions" }, dismiss(close, "Close"))]);

/**
 * A form after a JSON Schema. `run(values)` does it; what it throws is shown at the fields, and the dialog stays. Gives what
 * `run` gave, or undefined if it was dismissed.
 */
export function askFor(title, schema, { text, values = {}, action, run }) {
  return show(title, (close) => {
    const form = new Form(schema, undefined, "");
    const button = h("button", { class: "main" }, action);
    async function submit(event) {
      event.preventDefault();
      button.disabled = true;
      try {
        const [filled] = await form.inputs();
        close(await run(filled) ?? true);
      } catch (error) {
        if (!(error instanceof FormError)) form.show(error);
      }
      button.disabled = false;
    }
    form.fill(values);
    return h("form", { onsubmit: submit, novalidate: true }, text && h("p", { class: "quiet" }, text), form.problem, form.element,
      h("div", { class: "actions" }, button, dismiss(close)));
  });
}
