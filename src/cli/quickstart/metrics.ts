import { summarise } from '../../report/numbers.js';
import type { AnnotationJson } from '../../report/annotation-results.js';
import type { RunManifest } from '../../train/run-manifest.js';

/** metrics.json: the scores of a quickstart, for programs. */
export interface QuickstartMetrics {
  readonly split: 'test';
  readonly numCells: number;
  readonly seeds: readonly number[];
  /** Mean and sample standard deviation over seeds of every metric; the model first. */
  readonly methods: readonly MethodSummary[];
  /** Validation scores of the pretrained model and of guesses on the same masks. */
  readonly pretraining: { readonly metrics: Readonly<Record<string, number>>; readonly baselines: NonNullable<RunManifest['baselines']> };
}

export interface MethodSummary {
  readonly name: string;
  readonly title: string;
  readonly kind: 'model' | 'baseline';
  readonly numRuns: number;
  readonly mean: Readonly<Record<string, number>>;
  /** Absent for a single run. */
  readonly sd?: Readonly<Record<string, number>>;
}

export function quickstartMetrics({ numCells, seeds, methods }: AnnotationJson, { metrics = {}, baselines = {} }: RunManifest): QuickstartMetrics {
  return { split: 'test', numCells: numCells.test, seeds, methods: methods.map(summariseMethod), pretraining: { metrics, baselines } };
}

function summariseMethod({ name, title, kind, runs }: AnnotationJson['methods'][number]): MethodSummary {
  // A metric that some seeds lack (the accuracy of no cells) has no mean worth comparing.
  const names = Object.keys(runs[0] ?? {}).filter((metric) => runs.every((run) => run[metric] !== undefined));
  const summaries = names.map((metric) => [metric, summarise(runs.map((run) => run[metric]!))] as const);
  const sd = Object.fromEntries(summaries.flatMap(([metric, { spread }]) => (spread === undefined ? [] : [[metric, spread]])));
  return {
    name,
    title,
    kind,
    numRuns: runs.length,
    mean: Object.fromEntries(summaries.map(([metric, { mean }]) => [metric, mean])),
    ...(runs.length > 1 && { sd }),
  };
}
