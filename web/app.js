// The page: who is there, which view is shown, and whether the server can be reached.

import { Problem, Unreachable } from "./api.js";
import { batchView } from "./batch.js";
import { h } from "./dom.js";
import { functionView } from "./function.js";
import { jobView } from "./job.js";
import { libraryView } from "./library.js";
import { showPlace, showPlaces } from "./navigation.js";
import { backendsView } from "./pages/backends.js";
import { comparisonView } from "./pages/comparison.js";
import { deadLettersView } from "./pages/dead-letters.js";
import { jobsView } from "./pages/jobs.js";
import { keysView } from "./pages/keys.js";
import { presetView } from "./pages/preset.js";
import { compareView, presetsView } from "./pages/presets.js";
import { queuesView } from "./pages/queues.js";
import { takeView } from "./pages/take.js";
import { takesView } from "./pages/takes.js";
import { templateView } from "./pages/template.js";
import { templatesView } from "./pages/templates.js";
import { workersView } from "./pages/workers.js";
import { recentView } from "./recent.js";
import { signInByLink, signInView, signOut, who } from "./sign-in.js";
import { listen, start, stop as stopStream } from "./stream.js";
import { forget } from "./templates.js";

const LOST_MS = 1500;      // a shorter interruption is nobody's business
const AGAIN_MS = 2000;
const work = document.getElementById("work");
const connection = document.getElementById("connection");
const signOutButton = document.getElementById("sign-out");

/**
 * By the first name in the address. A view is made by (parameters, user) and gives {title, element, stop(), change(parameters), wide}:
 * `change` shows something else in the same view, `wide` leaves no room for the recent jobs.
 */
const views = {
  "": libraryView, function: functionView, job: jobView, batch: batchView, comparison: comparisonView,
  jobs: jobsView, takes: takesView, take: takeView, queues: queuesView, "dead-letters": deadLettersView,
  backends: backendsView, workers: workersView, templates: templatesView, template: templateView,
  presets: presetsView, preset: presetView, compare: compareView, keys: keysView,
};
let user = null;
let recent = null;
let shown = { name: null };
let turn = 0;          // views are made slowly; only the newest is shown
let lostTimer = 0;

const parameters = () => new URLSearchParams(location.hash.slice(1));

function put(name, view, focus) {
  shown.stop?.();
  shown = { ...view, name };
  showPlace(name);
  if (user && !view.wide) recent.show();
  else recent?.hide();
  document.title = view.title ? `${view.title} – Function Runner` : "Function Runner";
  work.replaceChildren(view.element);
  if (!focus) return;
  scrollTo(0, 0);
  work.querySelector("h1")?.focus({ preventScroll: true });
}

function problemView(error) {
  const missing = error instanceof Problem && error.status === 404;
  return { title: "Not there", element: h("section", {}, h("h1", { tabindex: -1 }, missing ? "This is not there" : "That did not work"),
    h("p", { role: "alert" }, error.message), error.suggestion && h("p", {}, error.suggestion), h("p", {}, h("a", { href: "#" }, "All functions"))) };
}

/** What the address asks for. Without a connection it is tried until it works or something else is wanted. */
async function show(focus = true) {
  const mine = ++turn;
  const address = location.hash;
  const wanted = parameters();
  const [first = ""] = wanted.keys();
  const name = Object.hasOwn(views, first) ? first : "";
  work.setAttribute("aria-busy", "true");
  forget();      // what was read for another view may be old, and nothing of it says what is not there
  while (mine === turn) {
    try {
      if (shown.name === name && shown.change) await shown.change(wanted);
      else {
        const view = await views[name](wanted, user);
        if (mine === turn) put(name, view, focus);
        else view.stop?.();
      }
      break;
    } catch (error) {
      if (mine !== turn) break;
      if (error instanceof Problem && error.status === 401) {
        askWho("You were signed out.");
        break;
      }
      if (!(error instanceof Unreachable) && !(error.status >= 502)) {
        if (!(error instanceof Problem)) console.error(error);
        put(null, problemView(error), focus);
        break;
      }
      lost(error.message);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
  if (mine !== turn) return;
  work.dataset.shows = address;      // for who waits for it
  work.removeAttribute("aria-busy");
}

/* ---- connection ---- */

function lost(text) {
  connection.textContent = text ? `${text} Trying again…` : "";
}

/** The stream has been away for a while: so is the server, or nobody is signed in any more. */
async function lookAgain() {
  const mine = lostTimer;
  lost("The connection to the server was lost.");
  const known = await who().catch(() => user);
  if (mine !== lostTimer) return;      // it is there again, or nobody is signed in
  if (user && !known) askWho("You were signed out.");
  lostTimer = 0;      // as long as it lasts the stream says so again
}

listen((message) => {
  if (message.kind !== "state") return;
  if (message.state === "lost") {
    if (user) lostTimer ||= setTimeout(lookAgain, LOST_MS);      // who is signed out has none to lose
    return;
  }
  clearTimeout(lostTimer);
  lostTimer = 0;
  if (message.state !== "open") return;
  lost("");
  if (!user) begin();   // signed in by another tab
});

/* ---- who is there ---- */

function askWho(note) {
  turn++;
  user = null;
  stopStream();
  clearTimeout(lostTimer);
  lostTimer = 0;
  lost("");
  signOutButton.hidden = true;
  showPlaces(null);
  delete work.dataset.shows;
  work.removeAttribute("aria-busy");
  put(null, { title: "Sign in", element: signInView(note, begin) }, true);
}

async function begin() {
  const link = parameters().get("link");
  let note = null;
  if (link) {
    history.replaceState(null, "", location.pathname + location.search);   // it is used once, and stays in no history
    try {
      await signInByLink(link);
    } catch (error) {
      note = error instanceof Problem ? "This one-time link was used already, or its time is over. The command “fnr link” prints another." : error.message;
    }
  }
  for (;;) {
    try {
      user = await who();
      break;
    } catch (error) {
      lost(error.message);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
  lost("");
  if (!user) {
    askWho(note);
    return;
  }
  signOutButton.hidden = user.expires_at === null;   // a server without keys has nobody to sign out
  start();
  showPlaces(user);
  recent ??= recentView(document.getElementById("recent"));
  await show(false);
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();     // it is no address of a page
  work.focus();
});
signOutButton.addEventListener("click", async () => {
  try {
    await signOut();
    askWho("You are signed out.");
  } catch (error) {
    lost(error.message);
  }
});
addEventListener("hashchange", () => {
  if (parameters().has("link")) begin();
  else if (user) show();
});
begin();
