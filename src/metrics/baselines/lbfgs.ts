import { addScaled, dot, scale } from './vector.js';

/** Value and gradient of a smooth function at a point; the gradient is written into `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  readonly numIterations: number;
  readonly hasConverged: boolean;
}

/**
 * Limited-memory BFGS (Nocedal & Wright, algorithms 7.4 and 7.5) with halving until the Armijo condition holds. Meant for convex
 * problems, where a pair without positive curvature is only rounding and is not remembered.
 * @param tolerance stop once the largest gradient entry is below it
 */
export function minimise(objective: Objective, start: Float64Array, { tolerance = 1e-6, maxIterations = 1000, memory = 10 } = {}): Minimum {
  const n = start.length;
  let x = start.slice();
  let gradient = new Float64Array(n);
  let value = objective(x, gradient);
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (largest(gradient) < tolerance) return { x, value, numIterations: iteration, hasConverged: true };
    const direction = descentDirection(gradient, pairs);
    const slope = dot(direction, gradient);
    let step = pairs.length ? 1 : Math.min(1, 1 / largest(gradient));
    const next = new Float64Array(n);
    const nextGradient = new Float64Array(n);
    let nextValue = Infinity;
    for (; step > 1e-16; step /= 2) {
      for (let i = 0; i < n; i++) next[i] = x[i]! + step * direction[i]!;
      nextValue = objective(next, nextGradient);
      if (nextValue <= value + 1e-4 * step * slope) break;
    }
    // No step goes down any more: the value is flat to the last bit.
    if (!(nextValue <= value)) return { x, value, numIterations: iteration, hasConverged: false };
    const s = next.map((v, i) => v - x[i]!);
    const y = nextGradient.map((v, i) => v - gradient[i]!);
    const curvature = dot(s, y);
    if (curvature > 1e-14 * dot(y, y)) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > memory) pairs.shift();
    x = next;
    gradient = nextGradient;
    value = nextValue;
  }
  return { x, value, numIterations: maxIterations, hasConverged: largest(gradient) < tolerance };
}

/** The two-loop recursion: minus the inverse Hessian's approximation times the gradient. */
function descentDirection(gradient: Float64Array, pairs: readonly { s: Float64Array; y: Float64Array; rho: number }[]): Float64Array {
  const q = gradient.slice();
  const alphas = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i]!;
    alphas[i] = rho * dot(s, q);
    addScaled(q, y, -alphas[i]!);
  }
  const last = pairs.at(-1);
  if (last) scale(q, 1 / (last.rho * dot(last.y, last.y)));
  pairs.forEach(({ s, y, rho }, i) => addScaled(q, s, alphas[i]! - rho * dot(y, q)));
  return scale(q, -1);
}

function largest(a: Float64Array): number {
  let max = 0;
  for (const v of a) max = Math.max(max, Math.abs(v));
  return max;
}
