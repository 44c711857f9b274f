/** Time and turns: pauses that can be ended, back-off, and how many requests may run or begin at a time. */

/** Resolves after `ms`; rejects with the signal's reason when that comes first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const end = (): void => {
      clearTimeout(timer);
      failed(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      done();
    }, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}

export interface Backoff {
  /** Tries in all, the first included. */
  attempts: number;
  /** Milliseconds: the bound of the first wait, which doubles each time, and its largest. */
  base: number;
  most: number;
}

/** How long to wait before try `next` (2 is the first repetition): full jitter, but no sooner than the server asked for. */
export function delay(backoff: Backoff, next: number, retryAfter: number): number {
  const bound = Math.min(backoff.most, backoff.base * 2 ** (next - 2));
  return Math.max(retryAfter * 1000, Math.random() * bound);
}

/** Lets at most `concurrency` run, and `rate.requests` begin in any `rate.ms`, in the order in which they came. */
export class Turns {
  private running = 0;
  private readonly begun: number[] = [];
  private readonly waiting: (() => void)[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly concurrency: number, private readonly rate?: { requests: number; ms: number }) {}

  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await new Promise<void>((done, failed) => {
      const turn = (): void => {
        signal?.removeEventListener("abort", leave);
        done();
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(turn), 1);
        failed(signal?.reason as Error);
      };
      signal?.throwIfAborted();
      signal?.addEventListener("abort", leave, { once: true });
      this.waiting.push(turn);
      this.next();
    });
    try {
      return await work();
    } finally {
      this.running--;
      this.next();
    }
  }

  private next(): void {
    while (this.waiting.length && this.running < this.concurrency) {
      const now = performance.now();
      const { rate, begun } = this;
      while (rate && begun.length && (begun[0] ?? 0) <= now - rate.ms) begun.shift();
      if (rate && begun.length >= rate.requests) {
        this.timer ??= setTimeout(() => {
          this.timer = undefined;
          this.next();
        }, (begun[0] ?? 0) + rate.ms - now);
        return;
      }
      if (rate) begun.push(now);
      this.running++;
      this.waiting.shift()?.();
    }
  }
}
