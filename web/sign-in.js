// Who is there: a session from a one-time link or a key, and its end.

import { call, get, Problem } from "./api.js";
import { h } from "./dom.js";

/** {key, scopes, projects, expires_at}, or null for nobody. */
export async function who() {
  try {
    return await get("sessions");
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }
}

export const signInByLink = (link) => call("POST", "sessions", { link });
export const signOut = () => call("DELETE", "sessions");

function refusal(error) {
  if (error.status === 401 || error.status === 403) return "This key is not known here, or it was taken back.";
  return error.message;
}

/** `note` says why, if there is a reason. `done()` is called when somebody is signed in. */
export function signInView(note, done) {
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false",
    "aria-describedby": "key-error key-hint" });
  const problem = h("p", { id: "key-error", class: "error", role: "alert" });
  const button = h("button", { class: "main" }, "Sign in");

  async function submit(event) {
    event.preventDefault();
    problem.textContent = "";
    button.disabled = true;
    try {
      await call("POST", "sessions", undefined, { Authorization: `Bearer ${key.value.trim()}` });
      done();
    } catch (error) {
      problem.textContent = refusal(error);
      key.setAttribute("aria-invalid", "true");
      key.focus();
    }
    button.disabled = false;
  }

  return h("form", { class: "sign-in", onsubmit: submit },
    h("h1", { tabindex: -1 }, "Sign in"),
    note && h("p", { class: "notice", role: "status" }, note),
    h("input", { type: "text", autocomplete: "username", value: "Function Runner", hidden: true }),   // what a password manager files it under
    h("label", { for: "key" }, "Key"), key, problem, button,
    h("p", { class: "hint", id: "key-hint" }, "The first key is in the file ", h("code", {}, "admin.key"), " of the data directory. On the machine of the server, ",
      h("code", {}, "fnr link"), " prints an address that signs this browser in without a key."));
}
