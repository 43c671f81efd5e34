import type { TopLevelSpec } from 'vega-lite';
import type { Html } from '../html.js';
import { LINE } from './palette.js';
import { renderSvg } from './svg.js';

/** Two matrices of the same things in one square: the first above the diagonal, the second below. */
export interface HeatMap {
  readonly title: string;
  readonly names: readonly string[];
  /** [N, N], -1 … 1. */
  readonly above: ArrayLike<number>;
  readonly below: ArrayLike<number>;
}

const RAMP = ['#3b4cc0', '#9abbff', '#f2f2f2', '#f7a789', '#b40426'];

export function drawHeatMap({ title, names, above, below }: HeatMap, id: string): Promise<Html> {
  const N = names.length;
  const cells = names
    .flatMap((_, a) => names.map((_, b) => ({ x: b, y: a, value: a === b ? 1 : b > a ? above[a * N + b]! : below[a * N + b]! })))
    .filter(({ value }) => Number.isFinite(value));
  const size = Math.max(5, Math.min(16, Math.floor(640 / N)));
  const axis = {
    labelExpr: `${JSON.stringify(names)}[datum.value]`,
    labelFontSize: Math.min(11, size),
    title: null,
    ticks: false,
    domain: false,
    labelOverlap: false,
  };
  const scale = { domain: names.map((_, i) => i), paddingInner: 0 };
  const spec = {
    width: N * size,
    height: N * size,
    view: { stroke: LINE },
    data: { values: cells },
    mark: { type: 'rect' },
    encoding: {
      x: { field: 'x', type: 'ordinal', scale, axis: { ...axis, orient: 'bottom', labelAngle: -90 } },
      y: { field: 'y', type: 'ordinal', scale, axis },
      color: { field: 'value', type: 'quantitative', title: 'correlation', scale: { domain: [-1, 1], range: RAMP } },
    },
  } as unknown as TopLevelSpec;
  return renderSvg(spec, { id, title, description: `${N} by ${N} correlations, from ${names[0]} to ${names.at(-1)}` });
}
