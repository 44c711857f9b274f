// The HTTP API: one way to ask, problems as errors, uploads with progress.

import { uuid } from "./dom.js";

/** Where the API is: beside this page, below whatever path it is served from. */
export const base = new URL("api/v1/", document.baseURI);

/** A path that the API gave ("/api/v1/jobs/…"), below the same place as the page. */
export const address = (path) => new URL(String(path).replace(/^\/api\/v1\//, ""), base).href;

const CHANGED = "Somebody else has changed it in the meantime. Load it again to see how it is now.";

/** What a server says of a request that it did not do. `errors`: [{pointer, rule, message, fix}]. */
export class Problem extends Error {
  constructor(status, body) {
    super(status === 412 ? CHANGED : body?.message ?? body?.detail ?? `the server answered ${status}`);
    this.status = status;
    this.suggestion = body?.suggestion ?? null;
    this.errors = body?.errors ?? [];
    this.retryAfter = 0;
  }
}

/** No answer came: the network or the server is away. */
export class Unreachable extends Error {}

async function read(response) {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** Sends it; gives the answer if it is a good one. A body that has its Content-Type among the headers goes as it is. */
async function request(method, path, body, headers) {
  const options = { method, headers: { "X-Function-Runner": "1", ...headers }, credentials: "same-origin", cache: "no-store" };
  let response;
  if (body !== undefined && !headers["Content-Type"]) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  } else options.body = body;
  try {
    response = await fetch(new URL(path, base), options);
  } catch {
    throw new Unreachable("There is no connection to the server.");
  }
  if (response.ok) return response;
  const problem = new Problem(response.status, await read(response));
  problem.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  throw problem;
}

export const call = async (method, path, body, headers = {}) => read(await request(method, path, body, headers));

/** A text as it is: {text, type, tag}, its media type and ETag. */
export async function getText(path, accept) {
  const response = await request("GET", path, undefined, { Accept: accept });
  return { text: await response.text(), type: response.headers.get("Content-Type") ?? "", tag: response.headers.get("ETag") };
}

/** Something that is to be changed: {value, tag}, the tag for If-Match. */
export async function getTagged(path) {
  const response = await request("GET", path, undefined, {});
  return { value: await read(response), tag: response.headers.get("ETag") };
}

export const get = (path) => call("GET", path);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * A POST that makes something, exactly once: repeated with the same key while no answer comes or the server is starting.
 * `waiting` is told each time that it has to be tried again.
 */
export async function submit(path, body, waiting = () => {}) {
  const key = uuid();
  for (let delay = 500; ; delay = Math.min(delay * 2, 8000)) {
    try {
      return await call("POST", path, body, { "Idempotency-Key": key });
    } catch (error) {
      const again = error instanceof Unreachable || (error instanceof Problem && [502, 503, 504].includes(error.status));
      if (!again) throw error;
      waiting(error);
      await pause(Math.max(delay, error.retryAfter * 1000 || 0));
    }
  }
}

/** Sends a file; `progress` is told 0 to 1. Gives {id, bytes, sha256, media_type}. `signal` ends it. */
export function upload(file, progress, signal) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", new URL("uploads", base));
    request.setRequestHeader("X-Function-Runner", "1");
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      let value = null;
      try {
        value = JSON.parse(request.responseText);
      } catch {
        // the status says it
      }
      if (request.status === 201) done(value);
      else failed(new Problem(request.status, value));
    };
    request.onerror = () => failed(new Unreachable("The connection was lost while the file was sent."));
    request.onabort = () => failed(new DOMException("ended", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
