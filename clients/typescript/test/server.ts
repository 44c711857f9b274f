/** A server whose answers each test decides, and which remembers what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}
export type Answering = (asked: Asked, response: ServerResponse, n: number) => void;

export class TestServer {
  readonly asked: Asked[] = [];
  url = "";
  private server: Server | undefined;

  constructor(private answer: Answering) {}

  async start(): Promise<this> {
    this.server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const asked = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body: Buffer.concat(pieces).toString() };
        this.asked.push(asked);
        this.answer(asked, response, this.asked.length);
      });
    });
    await new Promise<void>((done) => this.server?.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
    return this;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((done) => this.server?.close(done));
  }
}

export async function withServer(answer: Answering, work: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await new TestServer(answer).start();
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

export function json(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...headers });
  response.end(JSON.stringify(value));
}

export function problem(response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void {
  json(response, status, { type: `/problems/${code}`, title: code, status, detail: code, code, message: `It is ${code}.`, suggestion: null, action: null, request_id: "r", errors: [] }, headers);
}

export const job = (id: string, state: string, more: object = {}): object => ({
  id, state, template: "noop", version: "1.0.0", progress: { percent: state === "completed" ? 100 : 0, message: "…", stage: "queue", stages: [] }, outputs: [], error: null, ...more,
});

export const event = (id: number | null, name: string, data: object): string => `${id === null ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
export const streamHead = { "Content-Type": "text/event-stream" };
export const QUICK = { base: 1, most: 5 };
