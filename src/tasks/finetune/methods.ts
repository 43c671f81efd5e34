import type { Metrics } from '../../train/task.js';

/** One row of a task's table: a method, and its scores on the scored split, one entry per random seed. */
export interface MethodResult {
  /** `scdiva`, or a baseline's name in camelCase. */
  readonly name: string;
  readonly title: string;
  readonly kind: 'model' | 'baseline';
  readonly runs: readonly Metrics[];
}

/** What every task's result says of itself: enough for a table, for a report and for comparing runs. A task adds its own fields. */
export interface TaskResult {
  readonly task: string;
  /** The run folder, a checkpoint folder itself. */
  readonly out: string;
  readonly split: 'validation' | 'test';
  /** Cells of each split that were used. */
  readonly numCells: Readonly<Record<'train' | 'validation' | 'test', number>>;
  readonly seeds: readonly number[];
  /** The metric the verdict is about; a key of the runs. */
  readonly headline: string;
  /** The model first. */
  readonly methods: readonly MethodResult[];
}

/** Name of the file in the run folder that holds a task's result, for people and programs. */
export const resultFile = (task: string): string => `${task}.json`;

/** Mean and sample standard deviation of a metric over seeds; the deviation is undefined for one. */
export function overSeeds(runs: readonly Metrics[], metric: string): { mean: number; sd: number | undefined } {
  const values = runs.map((run) => run[metric] ?? NaN);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const sd = values.length > 1 ? Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1)) : undefined;
  return { mean, sd };
}

/** A column of the table of methods: a metric and its heading. */
export type MethodColumn = readonly [metric: string, title: string];

/** The table of methods as lines of text: mean ± standard deviation over seeds, `–` where a method has no such score. */
export function methodLines(methods: readonly Pick<MethodResult, 'title' | 'runs'>[], columns: readonly MethodColumn[]): string[] {
  const score = (runs: readonly Metrics[], metric: string): string => {
    const { mean, sd } = overSeeds(runs, metric);
    return Number.isNaN(mean) ? '–' : `${mean.toFixed(3)}${sd === undefined ? '' : ` ± ${sd.toFixed(3)}`}`;
  };
  return alignColumns([
    ['', ...columns.map(([, title]) => title)],
    ...methods.map(({ title, runs }) => [title, ...columns.map(([metric]) => score(runs, metric))]),
  ]);
}

/** Rows of one table, the first column to the left and the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows.map((row) =>
    row
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** First line over such a table. */
export function tableHead({ split, numCells, seeds }: Pick<TaskResult, 'split' | 'numCells' | 'seeds'>): string {
  return `${split} split, ${numCells[split]} cells${seeds.length > 1 ? `, mean ± sd of ${seeds.length} seeds` : ''}`;
}

/** The table's scores for `--json`: the model's first run, its mean over seeds, every baseline's. */
export function methodsJson({ methods, seeds }: Pick<TaskResult, 'methods' | 'seeds'>, columns: readonly MethodColumn[]): Record<string, unknown> {
  const [model] = methods;
  return {
    ...model?.runs[0],
    ...(seeds.length > 1 && model && { meanOverSeeds: Object.fromEntries(columns.map(([metric]) => [metric, overSeeds(model.runs, metric)])) }),
    baselines: Object.fromEntries(methods.filter(({ kind }) => kind === 'baseline').map(({ name, runs }) => [name, runs[0]!])),
  };
}
