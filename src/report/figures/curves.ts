import type { TopLevelSpec } from 'vega-lite';
import type { Html } from '../html.js';
import type { CurvePanel, CurveSeries } from '../data.js';
import { formatScore } from '../numbers.js';
import { ACCENT, ACCENT_2, MUTED } from './palette.js';
import { renderSvg } from './svg.js';

const MAX_POINTS = 150;
const LEVEL_DASHES = [
  [7, 4],
  [2, 3],
  [7, 3, 2, 3],
];

/** One panel of training curves: values over steps. */
export async function drawCurves(panel: CurvePanel, id: string): Promise<Html> {
  const series = panel.series.filter((one) => one.points.length > 0);
  const lastStep = Math.max(...series.flatMap((one) => one.points.map(([step]) => step)));
  const rows = series.flatMap((one) => curvePoints(one, lastStep).map(([step, value]) => ({ name: one.name, kind: one.kind, step, value })));
  const names = series.map((one) => one.name);
  const legend = { orient: 'top' as const, title: null, symbolType: 'stroke', symbolSize: 400 };
  const colour = { field: 'name', type: 'nominal' as const, scale: { domain: names, range: seriesColours(series) }, legend };
  const dash = { field: 'name', type: 'nominal' as const, scale: { domain: names, range: seriesDashes(series) }, legend };
  const x = { field: 'step', type: 'quantitative' as const, title: 'step', axis: { tickCount: 5, format: '~s', labelFlush: false }, scale: { nice: false } };
  const y = {
    field: 'value',
    type: 'quantitative' as const,
    title: panel.yTitle,
    axis: { tickCount: 5 },
    scale: panel.isLogarithmic ? { type: 'log' as const } : { zero: false },
  };
  const spec: TopLevelSpec = {
    width: 400,
    height: 200,
    data: { values: rows },
    layer: [
      { mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round', strokeCap: 'round' }, encoding: { x, y, color: colour, strokeDash: dash } },
      { transform: [{ filter: "datum.kind === 'checks'" }], mark: { type: 'point', filled: true, size: 30, opacity: 1 }, encoding: { x, y, color: colour } },
    ],
  };
  return renderSvg(spec, { id, title: panel.title, description: describe(series) });
}

/** At most 150 points: means of equally many steps each; a level as its two ends. */
function curvePoints({ kind, points }: CurveSeries, lastStep: number): readonly (readonly [number, number])[] {
  if (kind === 'level')
    return [
      [0, points[0]![1]],
      [lastStep, points[0]![1]],
    ];
  if (kind === 'checks' || points.length <= MAX_POINTS) return points;
  const size = Math.ceil(points.length / MAX_POINTS);
  const means: [number, number][] = [];
  for (let start = 0; start < points.length; start += size) {
    const bin = points.slice(start, start + size);
    means.push([bin.at(-1)![0], bin.reduce((sum, [, value]) => sum + value, 0) / bin.length]);
  }
  return means;
}

/** Levels are told apart by their dashes: they share a colour. */
function seriesDashes(series: readonly CurveSeries[]): number[][] {
  let numLevels = 0;
  return series.map(({ kind }) => (kind === 'level' ? (LEVEL_DASHES[numLevels++ % LEVEL_DASHES.length] ?? []) : [1, 0]));
}

function seriesColours(series: readonly CurveSeries[]): string[] {
  const colours = { steps: ACCENT, checks: ACCENT_2, level: MUTED };
  return series.map((one) => colours[one.kind]);
}

function describe(series: readonly CurveSeries[]): string {
  return series
    .map(({ name, kind, points }) =>
      kind === 'level' ? `${name}: ${formatScore(points[0]![1])}` : `${name}: from ${formatScore(points[0]![1])} to ${formatScore(points.at(-1)![1])}`,
    )
    .join('; ');
}
