import type { MetricsRecord } from '../train/metrics-log.js';
import type { CurvePanel, CurveSeries } from './data.js';

/** What a metric of metrics.jsonl is called in a drawing. Metrics not named here (step times …) are not drawn. */
const DRAWN: Readonly<Record<string, { readonly title: string; readonly yTitle: string; readonly isLogarithmic?: boolean }>> = {
  identityLoss: { title: 'Which gene is hidden: cross-entropy at masked positions', yTitle: 'cross-entropy (nats)' },
  valueLoss: { title: 'How much it is expressed: squared error at masked positions', yTitle: 'mean squared error', isLogarithmic: true },
  loss: { title: 'Loss', yTitle: 'loss' },
  accuracy: { title: 'Accuracy', yTitle: 'accuracy' },
  macroF1: { title: 'Macro-F1 on the validation split', yTitle: 'macro-F1' },
};

/** The guesses a pretraining is held against. */
const GUESSES: Readonly<Record<string, string>> = { unigram: 'guess', rank: 'guess by rank' };

/**
 * One panel for each known metric a run has logged. `loss` is left out where its parts are drawn, `accuracy` where macro-F1 is.
 * @param baselines what simple guesses score on the validation split: name of the guess, then metric
 */
export function trainingPanels(records: readonly MetricsRecord[], baselines: Readonly<Record<string, Readonly<Record<string, number>>>> = {}): CurvePanel[] {
  const logged = new Set(records.flatMap((record) => Object.keys(record)));
  const isShownBetter: Readonly<Record<string, string>> = { loss: 'identityLoss', accuracy: 'macroF1' };
  const drawn = Object.keys(DRAWN).filter((metric) => logged.has(metric) && !logged.has(isShownBetter[metric] ?? ''));
  return drawn.map((metric) => {
    const { title, yTitle, isLogarithmic = false } = DRAWN[metric]!;
    const points = (split: MetricsRecord['split']) =>
      records.flatMap((record) => (record.split === split && typeof record[metric] === 'number' ? [[record.step, record[metric]] as const] : []));
    const series: CurveSeries[] = [
      { name: 'train', kind: 'steps', points: points('train') },
      { name: 'validation', kind: 'checks', points: points('validation') },
    ];
    for (const [guess, scores] of Object.entries(baselines)) {
      const level = scores[metric];
      if (level !== undefined) series.push({ name: GUESSES[guess] ?? guess, kind: 'level', points: [[0, level]] });
    }
    return { title, yTitle, isLogarithmic, series: series.filter((one) => one.points.length > 0) };
  });
}
