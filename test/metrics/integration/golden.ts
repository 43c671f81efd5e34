import { readFileSync } from 'node:fs';
import type { Points } from '../../../src/metrics/points.js';

export interface IntegrationCase {
  points: number[];
  before: number[];
  numColumns: number;
  labels: number[];
  batches: number[];
  other: number[];
  neighbourDistances: number[];
  connectivityRowSums: number[];
  numEdges: number;
  silhouettes: number[];
  aswLabel: number;
  aswBatch: number;
  graphConnectivity: number;
  lisi: number[];
  ilisi: number;
  clisi: number;
  kbet: number;
  kbetExact: number;
  pcr: number;
  pcrComparison: number;
  nmi: number;
  ari: number;
  nmiKmeans: number;
  ariKmeans: number;
  nmiOther: number;
  ariOther: number;
}

/** scib-metrics' and scikit-learn's numbers; test/fixtures/metrics/make-integration.py made them. */
export const integrationGolden = JSON.parse(readFileSync(new URL('../../fixtures/metrics/integration.json', import.meta.url), 'utf8')) as {
  mixed: IntegrationCase;
  shifted: IntegrationCase;
  survival: { x: number[]; chiSquare: Record<string, number[]>; normal: number[] };
};

export function asPoints(data: ArrayLike<number>, numColumns: number): Points {
  return { numRows: data.length / numColumns, numColumns, data: Float64Array.from(data) };
}
