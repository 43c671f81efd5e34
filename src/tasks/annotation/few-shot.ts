import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../errors.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { alignColumns, overSeeds, type MethodResult } from '../finetune/methods.js';
import { finetuneAnnotation, type FinetuneAnnotation } from './finetune.js';

/** Scores against the number of labelled cells of each type. */
export interface FewShotCurve {
  readonly out: string;
  readonly seeds: readonly number[];
  /** Ascending. */
  readonly points: readonly {
    readonly cellsPerType: number;
    readonly numCells: Readonly<Record<'train' | 'validation' | 'test', number>>;
    readonly methods: readonly MethodResult[];
  }[];
}

/**
 * Fine-tunes once for each number of cells a type, each in a folder of its own below `out`; every method of one seed is given the same
 * cells, and of one seed the fewer are among the more. Writes few-shot.json.
 * @param request its config's data.cellsPerType is replaced; data.holdOut and all else hold for every point
 * @throws ConfigError for numbers that are none; else as finetuneAnnotation
 */
export async function fewShotCurve(request: FinetuneAnnotation, shots: readonly number[]): Promise<FewShotCurve> {
  const { config, out, isResumed = false } = request;
  const wrong = shots.find((n) => !(Number.isInteger(n) && n > 0));
  if (shots.length === 0 || wrong !== undefined)
    throw new ConfigError({ key: 'shots', found: String(wrong ?? 'none'), expected: 'whole numbers above 0, such as 1,5,10,50' });
  await makeFolder(out);
  const points: FewShotCurve['points'][number][] = [];
  let seeds: readonly number[] = [];
  for (const cellsPerType of [...new Set(shots)].sort((a, b) => a - b)) {
    const folder = join(out, `${cellsPerType}-a-type`);
    const result = await finetuneAnnotation({
      ...request,
      config: { ...config, data: { ...config.data, cellsPerType } },
      out: folder,
      isResumed: isResumed && existsSync(folder),
    });
    seeds = result.seeds;
    points.push({ cellsPerType, numCells: result.numCells, methods: result.methods });
  }
  const curve = { out, seeds, points };
  await writeFileAtomic(join(out, 'few-shot.json'), `${JSON.stringify(curve, null, 1)}\n`);
  return curve;
}

/** One row a method, one column a number of cells. */
export function fewShotLines({ points }: FewShotCurve, metric = 'macroF1'): string[] {
  const titles = points[0]!.methods.map(({ title, kind }) => (kind === 'baseline' ? title.replace(/ on \d+ PCs$/, ' on PCs') : title)); // few cells have few components
  const cell = (runs: MethodResult['runs']): string => {
    const { mean, sd } = overSeeds(runs, metric);
    return `${mean.toFixed(3)}${sd === undefined ? '' : ` ± ${sd.toFixed(3)}`}`;
  };
  return alignColumns([
    ['cells a type', ...points.map(({ cellsPerType }) => String(cellsPerType))],
    ...titles.map((title, i) => [title, ...points.map(({ methods }) => cell(methods[i]!.runs))]),
  ]);
}
