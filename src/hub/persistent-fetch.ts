import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPTS = 4;

/** First pause between attempts; each further one is twice as long. */
const PAUSE_MS = 300;

/** A server that asks for more patience than this is not waited for. */
const LONGEST_PAUSE_MS = 20_000;

/** No answer at all for so long is a failed attempt. */
const ANSWER_MS = 30_000;

/** Whether the same question may be answered a moment later. */
function isPassing(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** `fetch` that asks again where the network or the server stumbles; the last answer is given whatever it is. */
export const persistentFetch: typeof fetch = async (input, init) => {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === ATTEMPTS;
    try {
      const response = await answered(input, init);
      if (isLast || !isPassing(response.status)) return response;
      await response.body?.cancel();
      await sleep(pause(attempt, response.headers.get('retry-after')));
    } catch (error) {
      if (isLast || init?.signal?.aborted) throw error;
      await sleep(pause(attempt));
    }
  }
};

/** The answer's head within its time; its body may take as long as it takes. */
async function answered(input: Parameters<typeof fetch>[0], init: Parameters<typeof fetch>[1]): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new TypeError('no answer', { cause: { code: 'ETIMEDOUT' } })), ANSWER_MS);
  try {
    return await fetch(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal });
  } finally {
    clearTimeout(timer);
  }
}

export function pause(attempt: number, retryAfter?: string | null): number {
  const asked = retryAfter ? 1000 * Number(retryAfter) : NaN;
  return Math.min(Number.isFinite(asked) ? asked : PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
}
