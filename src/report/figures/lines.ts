import type { TopLevelSpec } from 'vega-lite';
import type { Html } from '../html.js';
import { formatScore } from '../numbers.js';
import { classColour, MUTED } from './palette.js';
import { renderSvg } from './svg.js';

/** One line over numbers: a setting, or a method that it is compared with. */
export interface Line {
  readonly name: string;
  readonly kind: 'model' | 'baseline';
  /** Ascending x; NaN leaves a gap. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LinePanel {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly lines: readonly Line[];
}

const DASHES = [
  [7, 4],
  [2, 3],
  [7, 3, 2, 3],
  [12, 4],
  [1, 5],
];

/** Scores over one quantity; models in colours, baselines grey and dashed. */
export function drawLines({ title, xTitle, yTitle, lines }: LinePanel, id: string): Promise<Html> {
  const rows = lines.flatMap(({ name, points }) => points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => ({ name, x, y })));
  const names = lines.map(({ name }) => name);
  let numModels = 0;
  let numBaselines = 0;
  const colours = lines.map(({ kind }) => (kind === 'model' ? classColour(numModels++) : MUTED));
  const dashes = lines.map(({ kind }) => (kind === 'model' ? [1, 0] : DASHES[numBaselines++ % DASHES.length]!));
  const legend = { orient: 'bottom' as const, title: null, symbolType: 'stroke', symbolSize: 400, columns: 2 };
  const colour = { field: 'name', type: 'nominal' as const, scale: { domain: names, range: colours }, legend };
  const x = {
    field: 'x',
    type: 'quantitative' as const,
    title: xTitle,
    axis: { tickCount: 6, labelFlush: false },
    scale: { nice: false, zero: false, padding: 6 },
  };
  const y = { field: 'y', type: 'quantitative' as const, title: yTitle, axis: { tickCount: 5 }, scale: { zero: false } };
  const spec: TopLevelSpec = {
    width: 400,
    height: 220,
    data: { values: rows },
    layer: [
      {
        mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round', strokeCap: 'round' },
        encoding: { x, y, color: colour, strokeDash: { field: 'name', type: 'nominal', scale: { domain: names, range: dashes }, legend } },
      },
      { mark: { type: 'point', filled: true, size: 24, opacity: 1 }, encoding: { x, y, color: colour } },
    ],
  };
  const description = lines.map(({ name, points }) => `${name}: ${points.map(([at, value]) => `${formatScore(value)} at ${at}`).join(', ')}`).join('; ');
  return renderSvg(spec, { id, title, description });
}
