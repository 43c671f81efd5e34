import { bytes, duration } from '../describe.js';
import type { ScalePlan } from './plan-scale.js';

/** A cluster's plan as a table for people. */
export function describeScale({ device, parameters, cells, steps, rows, assumptions }: ScalePlan): string {
  const head = [
    'workers',
    'cells each',
    'memory each',
    'a step',
    'of it update',
    'reduce',
    'cells/s',
    'efficiency',
    steps === null ? '' : `${steps.toLocaleString('en')} steps`,
  ];
  const body = rows.map((row) => {
    if ('reason' in row) return [row.workers.toLocaleString('en'), row.reason];
    const { workers, microBatch, accumulation, memory, fits, step, cellsPerSec, efficiency, seconds } = row;
    return [
      workers.toLocaleString('en'),
      accumulation > 1 ? `${row.cells} in ${accumulation} × ${microBatch}` : String(row.cells),
      `${bytes(memory.total)}${fits ? '' : ' (too much)'}`,
      duration(step.ms / 1e3),
      duration(step.updateMs / 1e3),
      duration(step.reduceMs / 1e3),
      cellsPerSec.toPrecision(3),
      `${Math.round(100 * efficiency)} %`,
      seconds === null ? '' : duration(seconds),
    ];
  });
  const widths = head.map((name, i) => Math.max(name.length, ...body.map((cells) => (cells.length === 2 && i === 1 ? 0 : (cells[i] ?? '').length))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === cells.length - 1 && cells.length === 2 ? cell : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [
    `${parameters.toLocaleString('en')} parameters, ${cells.toLocaleString('en')} cells a step, on ${device}`,
    '',
    line(head),
    ...body.map(line),
    '',
    ...assumptions.map((assumption) => `assumed: ${assumption}`),
  ].join('\n');
}
