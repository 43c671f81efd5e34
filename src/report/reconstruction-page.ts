import type { FilledCellScores } from '../tasks/reconstruction/scores.js';
import { drawLines, type Line } from './figures/lines.js';
import { html, type Html } from './html.js';
import { formatScore } from './numbers.js';
import { figure, table, type Section } from './sections/section.js';
import { renderSheet } from './sheet.js';

/** One setting at one mask ratio, as a page shows it. */
export interface ReconstructionPoint {
  readonly axis: string;
  readonly setting: string;
  readonly isTrainedThatWay: boolean;
  readonly result: {
    readonly config: { readonly maskRatio: number };
    readonly model: FilledCellScores;
    readonly baselines: Readonly<Record<string, FilledCellScores>>;
  };
}

export interface ReconstructionSheet {
  readonly title: string;
  readonly subtitle: string;
  readonly points: readonly ReconstructionPoint[];
  readonly notes: readonly string[];
}

type Score = 'hiddenAccuracy' | 'spearmanFull' | 'bleu4' | 'lDistMean' | 'hiddenValueR2';
const SHOWN: readonly { readonly score: Score; readonly title: string; readonly axis: string }[] = [
  { score: 'hiddenAccuracy', title: 'Hidden genes named rightly at their slot ↑', axis: 'share' },
  { score: 'spearmanFull', title: 'Spearman of ranks over the genes of either list ↑', axis: 'Spearman' },
  { score: 'bleu4', title: 'BLEU-4 ↑', axis: 'BLEU-4' },
  { score: 'lDistMean', title: 'Edits between the lists, mean over cells ↓', axis: 'L-Dist' },
  { score: 'hiddenValueR2', title: 'Variance of hidden values explained ↑', axis: 'R²' },
];
const BASELINE_WORDS: Readonly<Record<string, string>> = {
  visibleOnly: 'visible genes alone',
  meanExpression: 'mean expression',
  nearestCells: '10 nearest cells',
  commonestAtRank: 'commonest gene at the rank',
};

/** The words for a baseline's key. */
export const baselineName = (key: string): string => BASELINE_WORDS[key] ?? key;

/** A sweep as one page: the model beside the baselines, then what each change costs it. */
export async function renderReconstructionPage({ title, subtitle, points, notes }: ReconstructionSheet): Promise<string> {
  const asAsked = points.filter(({ axis }) => axis === 'as asked');
  const axes = [...new Set(points.map(({ axis }) => axis))].filter((axis) => axis !== 'as asked');
  const sections: Section[] = [
    {
      id: 'baselines',
      title: 'Beside methods without a model',
      body: html`${await panels([...settingLines('model', asAsked), ...baselineLines(asAsked)], 'baselines')}${scoreTable(asAsked)}`,
    },
  ];
  for (const axis of axes) {
    const settings = [...new Set(points.filter((point) => point.axis === axis).map(({ setting }) => setting))];
    const lines = [
      ...(axis === 'checkpoint' ? [] : settingLines('as asked', asAsked)),
      ...settings.flatMap((setting) =>
        settingLines(
          setting,
          points.filter((point) => point.axis === axis && point.setting === setting),
        ),
      ),
    ];
    sections.push({
      id: axis.replaceAll(' ', '-'),
      title: axis[0]!.toUpperCase() + axis.slice(1),
      body: html`${await panels(lines, axis.replaceAll(' ', '-'))}`,
    });
  }
  sections.push({ id: 'notes', title: 'How to read this', body: html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>` });
  return renderSheet({ title, subtitle, sections });
}

interface ScoreLine {
  readonly name: string;
  readonly kind: Line['kind'];
  readonly points: readonly { readonly maskRatio: number; readonly scores: FilledCellScores }[];
}

function settingLines(name: string, points: readonly ReconstructionPoint[]): ScoreLine[] {
  const note = points[0]?.isTrainedThatWay === false ? ' (not trained so)' : '';
  return [{ name: name + note, kind: 'model', points: points.map(({ result }) => ({ maskRatio: result.config.maskRatio, scores: result.model })) }];
}

function baselineLines(points: readonly ReconstructionPoint[]): ScoreLine[] {
  const names = Object.keys(points[0]?.result.baselines ?? {});
  return names.map((name) => ({
    name: baselineName(name),
    kind: 'baseline',
    points: points.map(({ result }) => ({ maskRatio: result.config.maskRatio, scores: result.baselines[name]! })),
  }));
}

async function panels(lines: readonly ScoreLine[], id: string): Promise<Html> {
  const drawn: Html[] = [];
  for (const { score, title, axis } of SHOWN) {
    const shown = lines
      .map(({ name, kind, points }): Line => ({ name, kind, points: points.map(({ maskRatio, scores }) => [maskRatio, scores[score]] as const) }))
      .filter(({ points }) => points.some(([, y]) => Number.isFinite(y)));
    if (shown.length > 0)
      drawn.push(figure(await drawLines({ title, xTitle: 'share of the genes hidden', yTitle: axis, lines: shown }, `${id}-${score}`), title));
  }
  return html`<div class="pair">${drawn}</div>`;
}

function scoreTable(points: readonly ReconstructionPoint[]): Html {
  const columns = [
    { title: 'method' },
    { title: 'hidden', isNumber: true },
    ...SHOWN.map(({ axis, score }) => ({ title: score === 'hiddenAccuracy' ? 'accuracy' : axis, isNumber: true })),
    { title: 'recall', isNumber: true },
  ];
  const row = (name: string, maskRatio: number, scores: FilledCellScores, kind?: string) => ({
    cells: [name, maskRatio, ...SHOWN.map(({ score }) => text(scores[score])), text(scores.hiddenRecall)],
    ...(kind && { kind }),
  });
  return table(
    'Every method at every mask ratio',
    columns,
    points.flatMap(({ result: { config, model, baselines } }) => [
      row('model', config.maskRatio, model, 'model'),
      ...Object.entries(baselines).map(([name, scores]) => row(baselineName(name), config.maskRatio, scores)),
    ]),
  );
}

const text = (value: number): string => (Number.isFinite(value) ? formatScore(value) : '–');
