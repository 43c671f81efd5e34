import type { TopLevelSpec } from 'vega-lite';
import type { Scores } from '../data.js';
import type { Html } from '../html.js';
import { metricName } from '../metric-names.js';
import { formatSummary, summarise } from '../numbers.js';
import { ACCENT, INK, MUTED } from './palette.js';
import { renderSvg } from './svg.js';

/** One row a method: a bar for the mean, a dot for each seed. */
export async function drawScores(scores: Scores, id: string): Promise<Html> {
  const methods = scores.methods.map(({ name, kind, runs }) => {
    const values = runs.map((run) => run[scores.headline]!);
    const summary = summarise(values);
    return { name, colour: kind === 'model' ? ACCENT : MUTED, values, mean: summary.mean, high: Math.max(...values), text: formatSummary(summary) };
  });
  const names = methods.map(({ name }) => name);
  const y = {
    field: 'name',
    type: 'nominal' as const,
    sort: null,
    title: null,
    scale: { domain: names },
    axis: { grid: true, ticks: false, domain: false, labelColor: INK, labelFontSize: 13, labelLimit: 260 },
  };
  const title = `${metricName(scores.headline)}, ${scores.split} split`;
  const x = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title,
    scale: { domain: [0, 1] },
    axis: { tickCount: 5, domain: false, ticks: false, labelFlush: false },
  });
  const colour = { field: 'colour', type: 'nominal' as const, scale: null };
  const spec: TopLevelSpec = {
    width: 380,
    height: { step: 34 },
    layer: [
      {
        data: { values: methods.flatMap(({ name, colour, values }) => (values.length > 1 ? values.map((value) => ({ name, colour, value })) : [])) },
        mark: { type: 'circle', size: 60, opacity: 0.55 },
        encoding: { y, x: x('value'), color: colour },
      },
      {
        data: { values: methods.map(({ name, colour, mean, high, text }) => ({ name, colour, mean, high, text })) },
        layer: [
          { mark: { type: 'tick', thickness: 3.5, size: 20, opacity: 1 }, encoding: { y, x: x('mean'), color: colour } },
          { mark: { type: 'text', align: 'left', dx: 14, fontSize: 12.5 }, encoding: { y, x: x('high'), text: { field: 'text' }, color: { value: INK } } },
        ],
      },
    ],
  };
  return renderSvg(spec, { id, title, description: methods.map(({ name, text }) => `${name}: ${text}`).join('; ') });
}
