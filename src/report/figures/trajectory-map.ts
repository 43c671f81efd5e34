import type { TopLevelSpec } from 'vega-lite';
import type { Html } from '../html.js';
import { INK, LINE, MUTED, SURFACE } from './palette.js';
import { renderSvg } from './svg.js';

/** Cells in the plane, their time, and the graph of their groups over them. */
export interface TrajectoryMap {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** 0 … 1; NaN = not joined to the root. */
  readonly time: readonly number[];
  readonly groups: readonly { readonly name: string; readonly x: number; readonly y: number; readonly numCells: number }[];
  /** Pairs of groups; those of the tree are drawn through, others dashed. */
  readonly edges: readonly { readonly a: number; readonly b: number; readonly connectivity: number; readonly isOfTree: boolean }[];
  readonly method: string;
}

/** Weaker connections are not drawn: with enough cells everything hangs together a little. */
const WEAKEST_DRAWN = 0.05;
const RAMP = ['#3b4cc0', '#7b9ff9', '#dddcdc', '#f4987a', '#b40426'];

export function drawTrajectory({ x, y, time, groups, edges, method }: TrajectoryMap, id: string): Promise<Html> {
  const axis = (field: string, title: string) => ({
    field,
    type: 'quantitative' as const,
    title,
    axis: { labels: false, ticks: false, grid: false, domain: false },
    scale: { zero: false },
  });
  const position = { x: axis('x', `${method} 1`), y: axis('y', `${method} 2`) };
  const cells = x.map((at, i) => ({ x: at, y: y[i]!, time: Number.isFinite(time[i]) ? time[i]! : null })).sort((a, b) => (a.time ?? -1) - (b.time ?? -1));
  const lines = edges
    .filter(({ connectivity, isOfTree }) => isOfTree || connectivity >= WEAKEST_DRAWN)
    .map(({ a, b, connectivity, isOfTree }) => ({
      x: groups[a]!.x,
      y: groups[a]!.y,
      x2: groups[b]!.x,
      y2: groups[b]!.y,
      width: 1 + 6 * connectivity,
      dash: isOfTree ? [1, 0] : [3, 4],
    }));
  const spec = {
    width: 560,
    height: 420,
    view: { stroke: LINE, cornerRadius: 6 },
    layer: [
      { data: { values: cells.filter((cell) => cell.time === null) }, mark: { type: 'circle', size: 14, color: MUTED, opacity: 0.35 }, encoding: position },
      {
        data: { values: cells.filter((cell) => cell.time !== null) },
        mark: { type: 'circle', size: 18, opacity: 0.75 },
        encoding: { ...position, color: { field: 'time', type: 'quantitative', title: 'pseudotime', scale: { domain: [0, 1], range: RAMP } } },
      },
      {
        data: { values: lines },
        mark: { type: 'rule', color: INK, opacity: 0.75 },
        encoding: {
          ...position,
          x2: { field: 'x2' },
          y2: { field: 'y2' },
          strokeWidth: { field: 'width', type: 'quantitative', scale: null },
          strokeDash: { field: 'dash', type: 'nominal', scale: null, legend: null },
        },
      },
      {
        data: { values: groups.map((group) => ({ ...group })) },
        mark: { type: 'circle', size: 130, fill: SURFACE, stroke: INK, strokeWidth: 1.6, opacity: 1 },
        encoding: position,
      },
      {
        data: { values: groups.map((group) => ({ ...group })) },
        mark: { type: 'text', dy: -13, fontSize: 12, fontWeight: 'bold', color: INK },
        encoding: { ...position, text: { field: 'name' } },
      },
    ],
  } as unknown as TopLevelSpec;
  return renderSvg(spec, {
    id,
    title: 'Cells by pseudotime, and the graph of their groups',
    description: `${cells.length} cells placed by ${method}; ${groups.length} groups, ${edges.filter(({ isOfTree }) => isOfTree).length} edges in their tree`,
  });
}
