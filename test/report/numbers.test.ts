import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatPercent, formatScore, formatSeconds, formatSummary, summarise } from '../../src/report/numbers.js';

describe('numbers of a report', () => {
  it('gives mean and sample standard deviation, and no spread for one value', () => {
    expect(summarise([0.7, 0.8, 0.9])).toEqual({ mean: expect.closeTo(0.8, 12), spread: expect.closeTo(0.1, 12), numValues: 3 });
    expect(summarise([0.5])).toEqual({ mean: 0.5, spread: undefined, numValues: 1 });
    expect(formatSummary(summarise([0.7, 0.8, 0.9]))).toBe('0.800 ± 0.100');
    expect(formatSummary(summarise([0.5]))).toBe('0.500');
  });

  it('shows a dash where there is no number', () => {
    expect([undefined, NaN, Infinity].map(formatScore)).toEqual(['–', '–', '–']);
  });

  it('writes counts, times, sizes and shares for people', () => {
    expect(formatCount(59162450)).toBe('59\u202f162\u202f450');
    expect([0.44, 12.4, 59.7, 185].map(formatSeconds)).toEqual(['0.4 s', '12 s', '1 min 00 s', '3 min 05 s']);
    expect([12, 9999, 274e6].map(formatBytes)).toEqual(['12 B', '10.0 kB', '274.0 MB']);
    expect([0, 0.034, 0.5, 1].map(formatPercent)).toEqual(['0\u00a0%', '3.4\u00a0%', '50\u00a0%', '100\u00a0%']);
  });
});
