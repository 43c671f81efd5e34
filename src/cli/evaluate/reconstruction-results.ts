import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../files.js';
import type { SweepPoint } from '../../inference/reconstruction-sweep.js';
import type { FilledCellScores } from '../../tasks/reconstruction/scores.js';
import { plainNumbers, scoreTable, type ScoreLine } from '../metrics/score-lines.js';

/** What was said, without what was not. */
export function given(flags: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

const SCORES: readonly (readonly [Exclude<keyof FilledCellScores, 'inPlace'>, string, number?])[] = [
  ['lDistMean', 'edits between true and given list, mean over cells ↓', 1],
  ['lDistMedian', 'median over cells ↓', 1],
  ['bleu4', 'BLEU-4, mean over cells ↑'],
  ['bleu4Corpus', 'BLEU-4 of all n-grams together ↑'],
  ['spearmanShared', 'of ranks, genes in both lists ↑'],
  ['spearmanCoverage', 'true genes in the given list ↑'],
  ['spearmanFull', 'of ranks, genes of either list ↑'],
  ['valueR2', 'values of shared genes ↑'],
  ['hiddenAccuracy', 'hidden slots with the right gene ↑'],
  ['hiddenRecall', 'hidden genes that came back anywhere ↑'],
  ['hiddenValueR2', 'values at hidden slots ↑'],
];
/** What a table of settings shows of each. */
const SHOWN = ['hiddenAccuracy', 'spearmanFull', 'bleu4', 'lDistMean', 'hiddenValueR2'];

/** A table for each mask ratio, model beside baselines; then, of settings that were varied, one for each score over the ratios. */
export function scoreTables(points: readonly SweepPoint[], baselineName: (key: string) => string): string[] {
  const lines: string[] = [];
  for (const { result } of points.filter(({ axis }) => axis === 'as asked')) {
    const columns = [
      ['model', result.model] as const,
      ['model, in place', { ...result.model, ...result.model.inPlace }] as const,
      ...Object.entries(result.baselines).map(([key, scores]) => [baselineName(key), scores] as const),
    ];
    lines.push(
      '',
      `${percent(result.config.maskRatio)} of the genes hidden (naming each hidden gene rightly and giving it its mean value would explain ${result.geneMeanValueR2.toFixed(3)} of the hidden values)`,
    );
    lines.push(
      ...scoreTable(
        columns.map(([name]) => name),
        SCORES.map(([name, meaning, digits]): ScoreLine => ({
          name,
          meaning,
          values: columns.map(([, scores]) => scores[name] ?? NaN),
          ...(digits !== undefined && { digits }),
        })),
      ),
    );
  }
  const settings = [...new Map(points.map(({ axis, setting, isTrainedThatWay }) => [`${axis}/${setting}`, { axis, setting, isTrainedThatWay }])).values()];
  if (settings.length < 2) return lines;
  for (const [name, meaning, digits] of SCORES.filter(([name]) => SHOWN.includes(name))) {
    const ratios = [...new Set(points.map(({ result }) => result.config.maskRatio))];
    const rows = settings.map(({ axis, setting, isTrainedThatWay }): ScoreLine => ({
      name: axis === 'checkpoint' ? `checkpoint ${setting}` : setting,
      meaning: isTrainedThatWay ? '' : 'not trained so',
      values: ratios.map(
        (ratio) =>
          points.find((point) => point.axis === axis && point.setting === setting && point.result.config.maskRatio === ratio)?.result.model[name] ?? NaN,
      ),
      ...(digits !== undefined && { digits }),
    }));
    lines.push('', `${name}: ${meaning}`, ...(ratios.length > 1 ? [] : [percent(ratios[0]!)]), ...scoreTable(ratios.map(percent), rows));
  }
  return lines;
}

const percent = (share: number): string => `${Math.round(1000 * share) / 10} %`;

/** Numbers that JSON has not become null, at any depth. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return plainNumbers(Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)])));
}

/** reconstruction.json and report.html in a folder. @throws OutputError when they cannot be written */
export async function writeResults(folder: string, json: Record<string, unknown>, page: string): Promise<void> {
  await makeFolder(folder);
  await writeFileAtomic(join(folder, 'reconstruction.json'), `${JSON.stringify(plain(json), null, 1)}\n`);
  await writeFileAtomic(join(folder, 'report.html'), page);
}
