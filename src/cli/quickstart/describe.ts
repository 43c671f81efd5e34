import { metricName, orderMetrics } from '../../report/metric-names.js';
import type { MethodSummary } from './metrics.js';
import type { QuickstartResult } from './quickstart.js';

const SHOWN = ['macroF1', 'accuracy', 'expectedCalibrationError'];

/** The end of a quickstart, for people: the scores, what won, where things are. */
export function describeQuickstart({ metrics: { methods, numCells }, report, annotated, checkpoint }: QuickstartResult): string {
  const columns = orderMetrics(new Set(SHOWN));
  const score = ({ mean, sd }: MethodSummary, metric: string) =>
    mean[metric] === undefined ? '–' : `${mean[metric].toFixed(3)}${sd?.[metric] === undefined ? '' : ` ± ${sd[metric].toFixed(3)}`}`;
  const rows = [
    [`test split, ${numCells} cells`, ...columns.map(metricName)],
    ...methods.map((method) => [method.title, ...columns.map((metric) => score(method, metric))]),
  ];
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  const table = rows.map((row) => row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  '));
  return ['', ...table, '', `report      ${report}`, `cells       ${annotated}`, `checkpoint  ${checkpoint}`].join('\n');
}
