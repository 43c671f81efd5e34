import type { TopLevelSpec } from 'vega-lite';
import type { ClassResults } from '../data.js';
import type { Html } from '../html.js';
import { ACCENT, INK, LINE, MUTED } from './palette.js';
import { renderSvg } from './svg.js';

/** More classes than this are unreadable in one drawing: the smallest are taken together. */
const MAX_CLASSES = 30;

/** Rows are true labels, columns predictions; shade is the share of the row, numbers are cells. */
export async function drawConfusionMatrix(results: ClassResults, id: string): Promise<Html> {
  const { classes, confusion } = gatherSmallClasses(results);
  const numCells = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  // The numbers are those of the map's legend: columns stay narrow however long the names are.
  const rowNames = classes.map((name, i) => `${name} · ${i + 1}`);
  const columnNames = classes.map((_, i) => String(i + 1));
  const rows = confusion.flatMap((counts, i) =>
    numCells[i] === 0
      ? []
      : counts.map((count, j) => ({ truth: rowNames[i], predicted: columnNames[j], count, share: count / numCells[i]!, text: count ? String(count) : '' })),
  );
  const cell = Math.max(18, Math.min(38, Math.floor(560 / classes.length)));
  const x = {
    field: 'predicted',
    type: 'nominal' as const,
    sort: null,
    title: 'predicted',
    scale: { domain: columnNames },
    axis: { labelAngle: 0, domain: false, ticks: false },
  };
  const y = {
    field: 'truth',
    type: 'nominal' as const,
    sort: null,
    title: null,
    scale: { domain: rowNames.filter((_, i) => numCells[i]! > 0) },
    axis: { domain: false, ticks: false, labelColor: INK },
  };
  const spec: TopLevelSpec = {
    width: { step: cell },
    height: { step: cell },
    data: { values: rows },
    layer: [
      {
        mark: { type: 'rect', fill: ACCENT, stroke: LINE, strokeWidth: 0.6, strokeOpacity: 0.7 },
        encoding: { x, y, fillOpacity: { field: 'share', type: 'quantitative', scale: { domain: [0, 1], range: [0, 0.92] }, legend: null } },
      },
      {
        mark: { type: 'text', fontSize: Math.min(12, Math.round(cell * 0.45)) },
        encoding: {
          x,
          y,
          text: { field: 'text' },
          color: { condition: { test: 'datum.share > 0.5', value: 'var(--on-accent)' }, value: INK },
          opacity: { value: 1 },
        },
      },
    ],
    config: { axis: { labelColor: MUTED } },
  };
  return renderSvg(spec, { id, title: 'Confusion matrix', description: describe(classes, confusion, numCells) });
}

/** The largest classes as they are, the rest as one row and column, so that the counts still add up. */
export function gatherSmallClasses({ classes, confusion }: ClassResults, maxClasses = MAX_CLASSES): { classes: string[]; confusion: number[][] } {
  if (classes.length <= maxClasses) return { classes: [...classes], confusion: confusion.map((row) => [...row]) };
  const sizes = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  const kept = new Set(
    sizes
      .map((_, i) => i)
      .sort((a, b) => sizes[b]! - sizes[a]! || a - b)
      .slice(0, maxClasses - 1),
  );
  const keptInOrder = classes.map((_, i) => i).filter((i) => kept.has(i));
  const place = new Map(keptInOrder.map((classIndex, i) => [classIndex, i]));
  const gathered = Array.from({ length: maxClasses }, () => new Array<number>(maxClasses).fill(0));
  confusion.forEach((row, i) => row.forEach((count, j) => (gathered[place.get(i) ?? maxClasses - 1]![place.get(j) ?? maxClasses - 1]! += count)));
  return { classes: [...keptInOrder.map((i) => classes[i]!), `${classes.length - maxClasses + 1} smaller classes`], confusion: gathered };
}

function describe(classes: readonly string[], confusion: readonly (readonly number[])[], numCells: readonly number[]): string {
  const rows = classes.flatMap((name, i) => (numCells[i] ? [`${name}: ${confusion[i]![i]} of ${numCells[i]} right`] : []));
  return `Rows are true labels, columns predictions. ${rows.join('; ')}.`;
}
