// What is shown stays right: read again when the event stream says so, never on a timer of its own.

import { listen } from "./stream.js";

const READ_MS = 1000;    // at most so often
const AGAIN_MS = 2000;   // when it could not be read
const GATHER_MS = 50;    // events come in groups
const LATER = 4;         // where the server has much to do, what it tells late comes later still: as many times

const SMALL = new Set(["job.progress", "job.preview", "job.log"]);

/** Is it an event after which a list of jobs looks different? */
export const movesJobs = (name) => name.startsWith("job.") && !SMALL.has(name);

const lasting = (error) => error.status >= 400 && error.status < 500 && error.status !== 429;

/**
 * Calls `read` (async) soon after an event for which `concerns(name, data)` is true, and when events may have been missed; again
 * while there is no answer; never twice at a time, and not while nobody looks. `settle`: once more so many milliseconds after
 * the last event, or the first look, for figures that fall by themselves or are told late; and a last time much later. Gives
 * {first(), soon(milliseconds), without(work), stop()}. `first` reads at once, so that nothing is missed between what was read and
 * what is heard; if that throws, all is over. `without` does what takes away what is shown: nobody asks for it meanwhile, nor
 * afterwards if that led to another address.
 */
export function keepRight(read, concerns, settle = 0) {
  let timer = 0;
  let settling = 0;
  let last = performance.now();
  let reading = false;
  let again = false;       // asked for while it was being read, or while nobody looked
  let stopped = false;
  let away = false;
  let current = null;      // what is being read

  async function now() {
    timer = 0;
    if (reading || away || document.hidden) {
      again = true;
      return;
    }
    reading = true;
    again = false;
    last = performance.now();
    try {
      current = read();
      await current;
    } catch (error) {
      if (!lasting(error)) soon(AGAIN_MS);
    }
    reading = false;
    if (again) soon();
  }

  function soon(after = 0) {
    if (!timer && !stopped) timer = setTimeout(now, Math.max(GATHER_MS, after, last + READ_MS - performance.now()));
  }

  function settleLater() {
    if (!settle || stopped) return;
    clearTimeout(settling);
    settling = setTimeout(() => {
      soon();
      settling = setTimeout(soon, settle * LATER);
    }, settle);
  }

  const look = () => again && !document.hidden && soon();
  const end = listen((message) => {
    if (message.kind !== "anew" && !(message.kind === "event" && concerns(message.name, message.data))) return;
    soon();
    settleLater();
  });
  document.addEventListener("visibilitychange", look);

  function stop() {
    stopped = true;
    end();
    document.removeEventListener("visibilitychange", look);
    clearTimeout(timer);
    clearTimeout(settling);
  }

  async function first() {
    reading = true;
    try {
      await read();
    } catch (error) {
      stop();
      throw error;
    }
    reading = false;
    if (again) soon();
    settleLater();       // what was read may be of before the last event as well
  }

  async function without(work) {
    const place = location.hash;
    away = true;
    try {
      await current?.catch(() => {});
      return await work();
    } finally {
      away = location.hash !== place;
      if (!away) soon();
    }
  }
  return { first, soon, without, stop };
}
