import { HttpProblem } from './problem.js';

/** Weight of the newest request in the mean time of one. */
const NEWEST = 0.1;

/**
 * How many requests of one kind are worked on at once. What comes beyond that is refused at once, before its body is read: a queue that grows
 * answers everybody late.
 */
export class Admission {
  private numInside = 0;
  private meanSeconds = 1;

  constructor(
    private readonly what: string,
    private readonly most: number,
  ) {}

  get inFlight(): number {
    return this.numInside;
  }

  /** @returns to be called when it is done. @throws HttpProblem 429 that says when to come again */
  enter(): () => void {
    if (this.numInside >= this.most) {
      const seconds = Math.min(60, Math.max(1, Math.ceil(this.meanSeconds)));
      throw new HttpProblem(429, `${this.numInside} ${this.what} are under way, which is all this server takes on at once (try again in ${seconds} s)`, {
        retryAfterSeconds: seconds,
      });
    }
    this.numInside++;
    const start = performance.now();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.numInside--;
      this.meanSeconds += NEWEST * ((performance.now() - start) / 1000 - this.meanSeconds);
    };
  }
}
