import { ClusterError } from '../../errors.js';
import type { ClusterConfig } from './config.js';
import { Heartbeat } from './heartbeat.js';
import type { Members } from './members.js';

/** Between two looks at the others. */
const TICK_MS = 500;
/** A gap between two looks counts as no more than this: a worker that was stopped or busy itself must not blame the others for it. */
const LONGEST_GAP_MS = 2 * TICK_MS;
/** A worker that once answered and refuses so many calls in a row has ended. */
const REFUSALS_OF_THE_DEAD = 2;

/** Keeps an eye on other workers for as long as the process takes part. */
export class Watch {
  /** Rejects, once, when a worker is given up. Nobody need await it. */
  readonly lost: Promise<never>;
  private giveUp!: (error: ClusterError) => void;
  private readonly watched: { readonly rank: number; readonly heartbeat: Heartbeat; silentMs: number; numAnswers: number }[];
  private timer: NodeJS.Timeout | undefined;
  private lastTick = 0;

  constructor(
    private readonly members: Members,
    private readonly config: ClusterConfig,
  ) {
    this.watched = watchedBy(members).map((rank) => ({ rank, heartbeat: new Heartbeat(members.addresses[rank]!), silentMs: 0, numAnswers: 0 }));
    this.lost = new Promise<never>((_, reject) => (this.giveUp = reject));
    this.lost.catch(() => {});
  }

  /**
   * Waits until all that are watched have answered, and watches on from then.
   * @throws ClusterError naming those that did not come
   */
  async gather(signal?: AbortSignal): Promise<void> {
    const end = performance.now() + 1000 * this.config.joinSeconds;
    for (;;) {
      for (const { heartbeat } of this.watched) heartbeat.beat();
      const ended = this.watched.find(({ heartbeat }) => heartbeat.numAnswers > 0 && heartbeat.numRefusals >= REFUSALS_OF_THE_DEAD);
      if (ended) {
        this.stop();
        throw this.errorOf(`worker ${ended.rank} (${ended.heartbeat.address}) has ended while others were still waited for`);
      }
      await pause(TICK_MS / 2);
      const missing = this.watched.filter(({ heartbeat }) => heartbeat.numAnswers === 0);
      if (missing.length === 0) break;
      if (signal?.aborted || performance.now() > end) {
        this.stop();
        throw new ClusterError({ key: `worker ${this.members.rank}`, ...this.describeMissing(missing, Boolean(signal?.aborted)) });
      }
    }
    this.lastTick = performance.now();
    this.timer = setInterval(() => this.look(), TICK_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    for (const { heartbeat } of this.watched) heartbeat.close();
  }

  private look(): void {
    const now = performance.now();
    const gap = Math.min(now - this.lastTick, LONGEST_GAP_MS);
    this.lastTick = now;
    for (const peer of this.watched) {
      const { heartbeat, rank } = peer;
      if (heartbeat.numAnswers > peer.numAnswers) peer.silentMs = 0;
      else peer.silentMs += gap;
      peer.numAnswers = heartbeat.numAnswers;
      const name = `worker ${rank} (${heartbeat.address})`;
      if (heartbeat.numRefusals >= REFUSALS_OF_THE_DEAD) return this.lose(`${name} has ended`);
      if (peer.silentMs > 1000 * this.config.timeoutSeconds)
        return this.lose(`${name} has not answered for ${this.config.timeoutSeconds} seconds: it is frozen, or its network is gone`);
      heartbeat.beat();
    }
  }

  private lose(found: string): void {
    this.stop();
    this.giveUp(this.errorOf(found));
  }

  private errorOf(found: string): ClusterError {
    return new ClusterError({ key: `worker ${this.members.rank}`, found, hint: 'go on from the last checkpoint with --resume' });
  }

  private describeMissing(missing: readonly { rank: number; heartbeat: Heartbeat }[], isInterrupted: boolean): { found: string; hint?: string } {
    const { rank, heartbeat } = missing[0]!;
    const others = missing.length > 1 ? `, and ${missing.length - 1} more` : '';
    const name = `worker ${rank} (${heartbeat.address})${others}`;
    if (isInterrupted) return { found: `interrupted while waiting for ${name}` };
    const source = this.members.source;
    if (heartbeat.pulse === 'unresolved') return { found: `${name}: no such host`, hint: `correct the name in ${source}` };
    if (heartbeat.pulse === 'foreign') return { found: `${name}: something else than a worker answers there`, hint: `correct the address in ${source}` };
    const why = heartbeat.pulse === 'refused' ? 'nobody listens there' : 'no answer';
    return {
      found: `${name} did not come within ${this.config.joinSeconds} seconds: ${why}`,
      hint: 'see what that worker says, or raise train.cluster.joinSeconds',
    };
  }
}

/**
 * Whom a worker watches: the first one watches everyone, everyone watches the first and both neighbours in the ring that gradients travel
 * around. Whoever gives a worker up ends, and is given up in turn: through the first one all know within a moment.
 */
export function watchedBy({ rank, addresses: { length } }: Pick<Members, 'rank' | 'addresses'>): number[] {
  if (rank === 0) return Array.from({ length: length - 1 }, (_, i) => i + 1);
  return [...new Set([0, rank - 1, (rank + 1) % length])].filter((other) => other !== rank).sort((a, b) => a - b);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
