import type { TopLevelSpec } from 'vega-lite';
import type { CellMap } from '../data.js';
import type { Html } from '../html.js';
import { classColour, classShape, INK, LINE, MUTED, SURFACE } from './palette.js';
import { renderSvg } from './svg.js';

/** What the colours show: the labels of the file, or what the model predicts. */
export type MapColouring = 'label' | 'predicted';

/** A cross without area, as an SVG path in a square of side 2. */
const CROSS = 'M-1,-1L1,1M-1,1L1,-1';

/**
 * The map of cells. Cells of the test split stand out, the others are faint; numbers mark the middle of each class and
 * match the legend, so that the colours need not be told apart. Wrong predictions on test cells are crosses.
 */
export async function drawCellMap(map: CellMap, colouring: MapColouring, id: string): Promise<Html> {
  const rows = drawOrder(map).map((cell) => {
    const classIndex = map[colouring][cell]!;
    const isWrong = colouring === 'predicted' && map.isTest[cell]! && map.label[cell]! >= 0 && map.label[cell] !== map.predicted[cell];
    return {
      x: map.x[cell]!,
      y: map.y[cell]!,
      colour: classIndex < 0 ? MUTED : classColour(classIndex),
      shape: isWrong ? CROSS : classIndex < 0 ? 'circle' : classShape(classIndex),
      opacity: map.isTest[cell] ? 1 : 0.32,
      ring: isWrong ? classColour(classIndex) : map.isTest[cell] ? INK : 'transparent',
      ringWidth: isWrong ? 2.6 : 0.9,
      size: isWrong ? 60 : map.isTest[cell] ? 42 : 30,
    };
  });
  const position = { x: axis('x', 'UMAP 1', map.x), y: axis('y', 'UMAP 2', map.y) };
  const asIs = (field: string) => ({ field, type: 'nominal' as const, scale: null, legend: null });
  const spec: TopLevelSpec = {
    width: 440,
    height: 400,
    view: { stroke: LINE, cornerRadius: 6 },
    layer: [
      {
        data: { values: rows },
        mark: { type: 'point', filled: true, opacity: 1 },
        encoding: {
          ...position,
          color: asIs('colour'),
          shape: asIs('shape'),
          fillOpacity: { field: 'opacity', type: 'quantitative', scale: null },
          stroke: asIs('ring'),
          strokeWidth: { field: 'ringWidth', type: 'quantitative', scale: null },
          size: { field: 'size', type: 'quantitative', scale: null },
        },
      },
      {
        data: { values: classCentres(map, colouring) },
        layer: [
          { mark: { type: 'circle', size: 300, opacity: 0.92, strokeWidth: 1.8, fill: SURFACE }, encoding: { ...position, stroke: asIs('colour') } },
          { mark: { type: 'text', fontSize: 11, fontWeight: 'bold', color: INK }, encoding: { ...position, text: { field: 'number' } } },
        ],
      },
    ],
  };
  const title = colouring === 'label' ? `Map of the cells by ${map.labelKey}` : 'Map of the cells by predicted label';
  return renderSvg(spec, {
    id,
    title,
    description: `${rows.length} cells placed by ${map.method}; numbers match the legend beside the maps. Axes have no unit.`,
  });
}

/** Test cells above the others, wrong ones on top. */
function drawOrder(map: CellMap): number[] {
  const rank = (cell: number) => (map.isTest[cell] ? 1 + Number(map.label[cell] !== map.predicted[cell]) : 0);
  return map.x.map((_, cell) => cell).sort((a, b) => rank(a) - rank(b) || a - b);
}

/** For each class the cell nearest to its median position: a mean can fall where no cell is. */
function classCentres(map: CellMap, colouring: MapColouring): { x: number; y: number; number: string; colour: string }[] {
  return map.classes.flatMap((_, classIndex) => {
    const cells = map.x.map((_, cell) => cell).filter((cell) => map[colouring][cell] === classIndex);
    if (cells.length === 0) return [];
    const centre = { x: median(cells.map((cell) => map.x[cell]!)), y: median(cells.map((cell) => map.y[cell]!)) };
    const distance = (cell: number) => (map.x[cell]! - centre.x) ** 2 + (map.y[cell]! - centre.y) ** 2;
    const nearest = cells.reduce((best, cell) => (distance(cell) < distance(best) ? cell : best));
    return [{ x: map.x[nearest]!, y: map.y[nearest]!, number: String(classIndex + 1), colour: classColour(classIndex) }];
  });
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function axis(field: 'x' | 'y', title: string, values: readonly number[]) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = (high - low || 1) * 0.05;
  return {
    field,
    type: 'quantitative' as const,
    title,
    axis: { labels: false, ticks: false, grid: false, domain: false },
    scale: { domain: [low - margin, high + margin], nice: false },
  };
}
