/** Files up and down, with progress, without holding them in memory. */
import { ProblemError, UnreachableError } from "./errors.js";
import type { Http } from "./http.js";
import type { Answer, Problem } from "./types.js";

export type Upload = Answer<"/api/v1/uploads", "post">;

export interface TransferOptions {
  signal?: AbortSignal;
  /** Told the bytes that were moved, and how many there are (0 where that is not known). */
  onProgress?: (done: number, total: number) => void;
}

function headers(file: Blob, name: string | undefined): Record<string, string> {
  const given = name ?? (file as File).name;
  return { "Content-Type": file.type || "application/octet-stream", ...(given ? { "X-Filename": encodeURIComponent(given) } : {}) };
}

/** Browsers tell how much was sent only of XMLHttpRequest. Whatever fails is thrown: an upload is begun again by whoever asked for it. */
function byXhr(http: Http, file: Blob, name: string | undefined, key: string, options: TransferOptions): Promise<Upload> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const { signal, onProgress } = options;
    const end = (): void => request.abort();
    request.open("POST", http.address("/api/v1/uploads"));
    if (key) request.setRequestHeader("Authorization", key);
    request.setRequestHeader("X-Function-Runner", "1");
    for (const [header, value] of Object.entries(headers(file, name))) request.setRequestHeader(header, value);
    request.upload.onprogress = (event) => onProgress?.(event.loaded, event.total);
    request.onload = () => {
      let value: unknown = null;
      try {
        value = JSON.parse(request.responseText);
      } catch {
        // the status says it
      }
      if (request.status === 201) done(value as Upload);
      else failed(new ProblemError(request.status, value as Problem | null, Number(request.getResponseHeader("Retry-After")) || 0));
    };
    request.onerror = () => failed(new UnreachableError("the connection was lost while the file was sent"));
    request.onabort = () => failed(signal?.reason as Error);
    request.onloadend = () => signal?.removeEventListener("abort", end);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", end, { once: true });
    request.send(file);
  });
}

function counted(body: ReadableStream<Uint8Array>, total: number, onProgress: TransferOptions["onProgress"]): ReadableStream<Uint8Array> {
  let done = 0;
  if (!onProgress) return body;
  return body.pipeThrough(new TransformStream({
    transform(piece: Uint8Array, controller) {
      controller.enqueue(piece);
      onProgress((done += piece.byteLength), total);
    },
  }));
}

export async function upload(http: Http, file: Blob, name: string | undefined, key: string, options: TransferOptions): Promise<Upload> {
  if (options.onProgress && typeof XMLHttpRequest !== "undefined") return byXhr(http, file, name, key, options);
  const bytes = options.onProgress ? counted(file.stream() as ReadableStream<Uint8Array>, file.size, options.onProgress) : file;
  const more = options.onProgress ? { "Content-Length": String(file.size) } : {};
  const response = await http.send("POST", "/api/v1/uploads", { bytes, headers: { ...headers(file, name), ...more }, signal: options.signal, timeout: 0 });
  return (await response.json()) as Upload;
}

export async function download(http: Http, path: string, options: TransferOptions): Promise<ReadableStream<Uint8Array>> {
  const response = await http.send("GET", path, { signal: options.signal, timeout: 0 });
  return counted(response.body ?? (new Blob().stream() as ReadableStream<Uint8Array>), Number(response.headers.get("Content-Length")) || 0, options.onProgress);
}
