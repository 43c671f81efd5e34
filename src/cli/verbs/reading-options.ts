import type { Argv } from 'yargs';
import type { FileReport } from '../../inference/annotated-file.js';
import { CELL_FLAGS, type CellFlags } from '../cell-flags.js';

/** Flags of the verbs that run a model over files. */
export interface ReadingFlags extends CellFlags {
  readonly files: string[];
  readonly checkpoint: string;
  readonly out: string;
  readonly 'batch-size': number | undefined;
  readonly precision: 'f32' | 'bf16';
}

export function readingOptions(y: Argv): Argv<ReadingFlags> {
  return y
    .positional('files', { type: 'string', array: true, demandOption: true, describe: '.h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom, .csv or .tsv' })
    .option('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder' })
    .option('out', { type: 'string', demandOption: true, describe: 'the .h5ad to write; a folder when there are several files' })
    .options(CELL_FLAGS)
    .option('batch-size', { type: 'number', describe: 'cells computed at once: less memory or more speed, same results [16]' })
    .option('precision', {
      choices: ['f32', 'bf16'] as const,
      default: 'f32' as const,
      describe: 'bf16: faster, about three digits',
    }) as unknown as Argv<ReadingFlags>;
}

/** What was read and written, as people read it. */
export function describeFile({
  input,
  output,
  numCells,
  numEmpty,
  matrix,
  valueKind,
  numGenes,
  numGenesMatched,
  geneCoverage,
  expressionCoverage,
  notes,
}: FileReport): string[] {
  return [
    `${input}: ${numCells} cells from ${matrix} (${valueKind}), ${numGenesMatched} of ${numGenes} genes known (${(100 * geneCoverage).toFixed(1)} %, with ${(100 * expressionCoverage).toFixed(1)} % of the expression) → ${output}`,
    ...(numEmpty > 0 ? [`${numEmpty} cells have no gene that the model knows: NaN in the embedding, no label`] : []),
    ...notes,
  ];
}
