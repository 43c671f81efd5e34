import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.js';

/**
 * Ends work that nobody waits for any longer: after the time a request may take, when its client has gone, and when the server's time to stop is
 * over.
 */
export class TimeLimits {
  private readonly running = new Set<AbortController>();

  /** Starts the clock of a request. Its body has to be here within the limit, too, else 408. */
  start(request: FastifyRequest, reply: FastifyReply, limitMs: number): void {
    const controller = new AbortController();
    request.stopped = controller.signal;
    this.running.add(controller);
    const seconds = limitMs / 1000;
    const timer = setTimeout(() => {
      const isReceiving = !request.raw.complete;
      const error = isReceiving
        ? new HttpProblem(408, `the request was not here within ${seconds} s`, { closes: true })
        : new HttpProblem(503, `it took longer than the ${seconds} s a request may take here (send fewer cells at once)`, { retryAfterSeconds: 1 });
      controller.abort(error);
      // While the body comes in, nobody else is there to answer.
      if (isReceiving && !reply.sent) void reply.send(error);
    }, limitMs);
    timer.unref();
    reply.raw.once('close', () => {
      clearTimeout(timer);
      this.running.delete(controller);
      controller.abort(new HttpProblem(499, 'the client has gone'));
    });
  }

  /** Ends everything that is under way. */
  stopAll(): void {
    for (const controller of this.running) controller.abort(new HttpProblem(503, 'the server stops', { closes: true }));
  }
}

/** The work, or its end before time. The work hears of it by the signal and stops at the next cells. */
export async function untilStopped<T>({ stopped }: Pick<FastifyRequest, 'stopped'>, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = stopped!;
  signal.throwIfAborted();
  let onAbort!: () => void;
  const isOver = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work(signal), isOver]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts when nobody waits for the answer any more. */
    stopped?: AbortSignal;
  }
}
