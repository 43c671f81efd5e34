import type { ScheduleConfig } from './config.js';

/**
 * Learning rate of one step: linear warm-up, then the fall the config names. Pure, so a resumed run needs no saved state.
 * @param step 0-based; the first step of a warm-up of W steps already moves, with peak / W
 * @param totalSteps length of the run: where the fall ends unless the config says decaySteps
 */
export function learningRate(config: ScheduleConfig, peak: number, step: number, totalSteps: number): number {
  const { kind, warmupSteps, minLrRatio } = config;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (kind === 'constant') return peak;
  const end = config.decaySteps ?? totalSteps;
  const progress = end > warmupSteps ? Math.min(1, (step - warmupSteps) / (end - warmupSteps)) : 1;
  const remaining = kind === 'cosine' ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress;
  return peak * (minLrRatio + (1 - minLrRatio) * remaining);
}
