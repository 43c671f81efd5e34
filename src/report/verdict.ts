import type { Method, Scores } from './data.js';
import { isHigherBetter, metricName } from './metric-names.js';
import { formatScore, formatSummary, summarise } from './numbers.js';

/** How the best model stands against the best baseline. */
export interface Verdict {
  readonly kind: 'ahead' | 'level' | 'behind' | 'alone';
  /** Plain sentences, the most important first. */
  readonly sentences: readonly string[];
}

/**
 * Says in words what the score table says in numbers. A difference counts as one only when it is larger than the spread of
 * the model's seeds and larger than the sampling error of the split.
 */
export function judge(scores: Scores): Verdict {
  const model = best(scores, 'model');
  const baseline = best(scores, 'baseline');
  const metric = metricName(scores.headline);
  if (!model) return { kind: 'alone', sentences: ['No model was scored.'] };
  const summary = summarise(valuesOf(model, scores.headline));
  const seeds = summary.numValues > 1 ? ` (mean ± standard deviation of ${summary.numValues} seeds)` : '';
  const cells = scores.split === 'test' ? `${scores.numCells} test cells that no training step has seen` : `${scores.numCells} validation cells`;
  const own = `On ${cells}, ${model.name}${model.name.includes(',') ? ',' : ''} reaches a ${metric} of ${formatSummary(summary)}${seeds}.`;
  if (!baseline) return { kind: 'alone', sentences: [own, 'No baseline was scored beside it.'] };

  const baselineSummary = summarise(valuesOf(baseline, scores.headline));
  const difference = (summary.mean - baselineSummary.mean) * (isHigherBetter(scores.headline) ? 1 : -1);
  const noise = Math.max(summary.spread ?? 0, samplingError(model, scores));
  const theirs = `the best baseline, ${baseline.name}, reaches ${formatSummary(baselineSummary)}`;
  const error = `With so few cells, differences below about ${noise.toFixed(2)} may be chance.`;
  if (Math.abs(difference) <= noise) return { kind: 'level', sentences: [own, `${capital(theirs)}: the two are level.`, error] };
  if (difference > 0) return { kind: 'ahead', sentences: [own, `${capital(theirs)}: the model is ahead by ${formatScore(difference)}.`] };
  return { kind: 'behind', sentences: [own, `${capital(theirs)}: the baseline wins by ${formatScore(-difference)}. On these cells, use the baseline.`] };
}

/** The method of that kind with the best mean headline metric. */
export function best(scores: Scores, kind: Method['kind']): Method | undefined {
  const sign = isHigherBetter(scores.headline) ? 1 : -1;
  const mean = (method: Method) => sign * summarise(valuesOf(method, scores.headline)).mean;
  return scores.methods
    .filter((method) => method.kind === kind)
    .reduce<Method | undefined>((top, method) => (top && mean(top) >= mean(method) ? top : method), undefined);
}

export function valuesOf(method: Method, metric: string): number[] {
  return method.runs.flatMap((run) => (run[metric] === undefined ? [] : [run[metric]]));
}

/** Binomial standard error of the accuracy on that many cells; macro-F1, carried by the small classes, is no steadier. */
function samplingError(method: Method, { numCells }: Scores): number {
  const accuracies = valuesOf(method, 'accuracy');
  if (accuracies.length === 0) return 0;
  const { mean } = summarise(accuracies);
  return Math.sqrt((mean * (1 - mean)) / numCells);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
