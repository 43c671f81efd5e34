import type { ReportData, Scores } from '../data.js';
import { drawScores } from '../figures/score-plot.js';
import { html, type Html } from '../html.js';
import { isHigherBetter, metricName, orderMetrics } from '../metric-names.js';
import { formatCount, formatScore, formatSummary, summarise } from '../numbers.js';
import { best, judge, valuesOf } from '../verdict.js';
import { figure, table, type Section } from './section.js';

/** The answer first: the verdict in words, the numbers behind it, what to bear in mind. */
export async function summarySection({ scores, classes, notes }: ReportData): Promise<Section | undefined> {
  if (!scores && notes.length === 0) return undefined;
  const remarks = notes.length > 0 && html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`;
  if (!scores) return { id: 'summary', title: 'Summary', body: html`${remarks}` };
  const verdict = judge(scores);
  const [first, ...others] = verdict.sentences;
  return {
    id: 'summary',
    title: 'Summary',
    body: html`<div class="verdict ${verdict.kind}"><p class="lead">${first}</p>${others.length > 0 && html`<p>${others.join(' ')}</p>`}</div>
${tiles(scores, classes?.classes.length)}
${figure(await drawScores(scores, 'score-plot'), `${metricName(scores.headline)} of every method on the same ${scores.numCells} cells. The bar is the mean, dots are single seeds.`)}
${remarks}`,
  };
}

function tiles(scores: Scores, numClasses: number | undefined): Html {
  const model = best(scores, 'model');
  const baseline = best(scores, 'baseline');
  const mean = (method: typeof model, metric: string) => formatScore(method && summarise(valuesOf(method, metric)).mean);
  const entries: [string, string, string][] = [
    [mean(model, scores.headline), metricName(scores.headline), model?.name ?? ''],
    ...(scores.headline !== 'accuracy' && model && valuesOf(model, 'accuracy').length > 0
      ? [[mean(model, 'accuracy'), 'accuracy', model.name] as [string, string, string]]
      : []),
    [mean(baseline, scores.headline), `${metricName(scores.headline)}, best baseline`, baseline?.name ?? ''],
    [formatCount(scores.numCells), `${scores.split} cells`, numClasses === undefined ? '' : `${numClasses} classes`],
  ];
  return html`<dl class="tiles">${entries.map(([value, name, detail]) => html`<div><dt>${name}</dt><dd>${value}</dd><dd class="detail">${detail}</dd></div>`)}</dl>`;
}

/** Every metric of every method, the best of each in bold. Metrics run down the page: a task has up to twenty, and never so many methods. */
export function scoreSection({ scores }: ReportData): Section | undefined {
  if (!scores) return undefined;
  const metrics = orderMetrics(new Set(scores.methods.flatMap(({ runs }) => runs.flatMap((run) => Object.keys(run)))));
  const rows = metrics.map((metric) => {
    const summaries = scores.methods.map((method) => summarise(valuesOf(method, metric)));
    const finite = summaries.map(({ mean }) => mean).filter(Number.isFinite);
    const bestMean = isHigherBetter(metric) ? Math.max(...finite) : Math.min(...finite);
    const cells = summaries.map((summary) => {
      const text = formatSummary(summary);
      return summary.mean.toFixed(3) === bestMean.toFixed(3) ? html`<strong>${text}</strong>` : text;
    });
    return { cells: [`${metricName(metric)}\u00a0${isHigherBetter(metric) ? '↑' : '↓'}`, ...cells] };
  });
  const columns = [
    { title: 'score' },
    ...scores.methods.map(({ name, note, kind }) => ({ title: html`${name}${note && html`<span class="detail">${note}</span>`}`, isNumber: true, kind })),
  ];
  return {
    id: 'scores',
    title: 'Scores',
    body: html`${table(`All methods on the same ${scores.numCells} cells of the ${scores.split} split`, columns, [...rows, { cells: ['seeds', ...scores.methods.map(({ runs }) => runs.length)] }])}
<p class="hint">↑ higher is better, ↓ lower is better; the best of each row is bold. ± is the standard deviation over seeds. Macro means: the plain mean over classes, small ones counting as much as large ones; a class never predicted scores 0.</p>`,
  };
}
