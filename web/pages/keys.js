// Keys: who may do what. A key itself is seen once, when it is made.

import { acting, rowButton } from "../acting.js";
import { call, get } from "../api.js";
import { ask, askFor, tell } from "../dialog.js";
import { h } from "../dom.js";
import { keepRight } from "../live.js";
import { Table } from "../table.js";
import { when } from "../time.js";

const SCOPES = ["read", "submit", "admin"];
const SCOPE_WORDS = ["look", "look and run", "everything"];
const FORM = { required: ["name", "scope"], properties: {
  name: { type: "string", title: "Name", maxLength: 100, description: "What it is for." },
  scope: { enum: SCOPES, default: "submit", title: "May", "x-labels": SCOPE_WORDS },
  projects: { type: "array", items: { type: "string" }, title: "Only in these projects", description: "Empty: in all." },
} };

const may = (key) => SCOPE_WORDS[SCOPES.findLastIndex((scope) => key.scopes.includes(scope))] ?? key.scopes.join(", ");

function showSecret(key) {
  const secret = h("output", { class: "secret", tabindex: 0 }, key.key);
  const news = h("p", { role: "status", class: "quiet" });
  async function copy() {
    try {
      await navigator.clipboard.writeText(key.key);
      news.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(secret);
      news.textContent = "This browser does not copy for a page; the key is selected.";
    }
  }
  return tell(`The key “${key.name}”`, h("p", {}, "It is shown this once. Keep it where only those see it who may use it."), secret,
    h("p", {}, h("button", { type: "button", class: "small", onclick: copy }, "Copy")), news);
}

function columns(user, act) {
  const revoke = async (key) => await ask(`Take back “${key.name}”?`, key.id === user.key
    ? "You are signed in with this key: you are signed out at once, and so is everybody else who uses it."
    : "Whoever uses it is signed out at once. It cannot be given back.", "Take it back") && call("DELETE", `keys/${key.id}`);
  return [
    { label: "Name", head: true, long: true, draw: (key) => [key.name, key.id === user.key && h("span", { class: "quiet" }, " (yours)")] },
    { label: "May", draw: may },
    { label: "Projects", long: true, draw: (key) => (key.projects ? key.projects.join(", ") : "all") },
    { label: "Made", draw: (key) => when(key.created_at) },
    { label: "Actions", away: true, draw: (key) => h("div", { class: "actions" }, rowButton(act, "Take back…", key.name, () => revoke(key))) },
  ];
}

export async function keysView(parameters, user) {
  const { news, act } = acting(null, () => right.soon());
  const table = new Table("Keys", columns(user, act), { key: (key) => key.id, empty: "There are no keys." });

  async function make() {
    const made = await askFor("New key", FORM, { action: "Make it",
      run: ({ name, scope, projects }) => call("POST", "keys", { name, scopes: [scope], ...(projects && { projects }) }) });
    if (made) await showSecret(made);
  }

  async function read() {
    table.show((await get("keys")).items);
  }

  const right = keepRight(read, (name) => name.startsWith("key."));
  await right.first();
  return {
    title: "Keys", wide: true, stop: right.stop,
    element: h("section", { class: "list" }, h("div", { class: "head" }, h("h1", { tabindex: -1 }, "Keys"),
      h("button", { type: "button", class: "main", onclick: () => act(make) }, "New key…")), news, table.element),
  };
}
