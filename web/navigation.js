// Where one can go: real addresses, so that each can be kept, sent and gone back to.

import { h } from "./dom.js";

const PLACES = [
  { address: "", label: "Make", views: ["", "function"] },
  { address: "jobs", label: "Jobs", views: ["jobs", "job", "batch", "comparison"] },
  { address: "takes", label: "Takes", views: ["takes", "take"] },
  { address: "queues", label: "Queues", views: ["queues"] },
  { address: "dead-letters", label: "Dead letters", views: ["dead-letters"] },
  { address: "backends", label: "Backends", views: ["backends"] },
  { address: "workers", label: "Workers", views: ["workers"] },
  { address: "templates", label: "Templates", views: ["templates", "template"] },
  { address: "presets", label: "Presets", views: ["presets", "preset", "compare"] },
  { address: "keys", label: "Keys", views: ["keys"], scope: "admin" },
];

const menu = document.getElementById("menu");
const nav = document.getElementById("places");

function open(on) {
  menu.setAttribute("aria-expanded", String(on));
  nav.classList.toggle("open", on);
}

/** Links to what this user may see; none for nobody. */
export function showPlaces(user) {
  menu.hidden = nav.hidden = !user;
  nav.replaceChildren(h("ul", {}, PLACES.filter((place) => !place.scope || user?.scopes.includes(place.scope)).map((place) =>
    h("li", {}, h("a", { href: `#${place.address}`, "data-views": place.views.join(" ") }, place.label)))));
}

/** Marks where one is. */
export function showPlace(view) {
  open(false);
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.views.split(" ").includes(view)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

menu.addEventListener("click", () => open(menu.getAttribute("aria-expanded") !== "true"));
nav.addEventListener("click", () => open(false));
