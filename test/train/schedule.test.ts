import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { ScheduleConfig } from '../../src/train/config.js';
import { learningRate } from '../../src/train/schedule.js';

const schedule = (options: object): ScheduleConfig => ScheduleConfig.parse(options);

describe('the learning rate', () => {
  it('rises linearly, reaches the peak at the end of the warm-up and ends at its floor', () => {
    const config = schedule({ kind: 'cosine', warmupSteps: 4, minLrRatio: 0.1 });
    const at = (step: number): number => learningRate(config, 2, step, 12);
    expect([0, 1, 2, 3, 4].map(at)).toEqual([0.5, 1, 1.5, 2, 2]);
    expect(at(8)).toBeCloseTo(2 * (0.1 + 0.9 * 0.5), 12); // half-way down
    expect(at(12)).toBeCloseTo(0.2, 12);
    expect(at(50)).toBeCloseTo(0.2, 12);
  });

  it('falls along a line or not at all when so told', () => {
    expect(learningRate(schedule({ kind: 'linear', minLrRatio: 0 }), 1, 3, 12)).toBeCloseTo(0.75, 12);
    expect(learningRate(schedule({ kind: 'constant' }), 1, 11, 12)).toBe(1);
  });

  it('does not depend on the length of the run once decaySteps is said', () => {
    const config = schedule({ kind: 'cosine', decaySteps: 20 });
    expect(learningRate(config, 1, 7, 10)).toBe(learningRate(config, 1, 7, 1000));
  });

  it('never rises after warm-up and never leaves its bounds', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('cosine' as const, 'linear' as const, 'constant' as const),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (kind, warmupSteps, total, minLrRatio) => {
          const config = schedule({ kind, warmupSteps, minLrRatio });
          const rates = Array.from({ length: total + 5 }, (_, step) => learningRate(config, 1, step, total));
          expect(rates.every((rate) => rate > 0 || minLrRatio === 0)).toBe(true);
          expect(Math.max(...rates)).toBeLessThanOrEqual(1);
          for (let step = warmupSteps + 1; step < rates.length; step++) expect(rates[step]!).toBeLessThanOrEqual(rates[step - 1]! + 1e-12);
        },
      ),
    );
  });
});
