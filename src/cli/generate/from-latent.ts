import { ConfigError } from '../../errors.js';
import { newCellsFile, type NewCellsJob } from '../../inference/new-cells.js';
import { loadTensorFlow } from '../../runtime/native/load.js';
import { createExecutor, type ExecutorKind } from '../../runtime/program/executor.js';
import { openCheckpoint, resolveCheckpoint } from '../../train/checkpoint.js';
import type { VerbResult } from '../verb.js';

/** Flags of completing cells, which have no meaning for cells that complete none. */
const OF_COMPLETION = [
  'maskRatio',
  'extraGenes',
  'numSamples',
  'steps',
  'order',
  'temperature',
  'topK',
  'maxCells',
  'matrix',
  'valueKind',
  'orthologs',
  'batchSize',
] as const;

/** `scdiva generate --latent`: new cells that complete no given ones. */
export async function generateFromLatent(
  path: string,
  job: NewCellsJob,
  flags: Readonly<Record<string, unknown>>,
  kind: ExecutorKind,
  say: (line: string) => void,
): Promise<VerbResult> {
  if (flags['file'] !== undefined)
    throw new ConfigError({
      key: '--latent',
      found: `given together with ${String(flags['file'])}`,
      hint: 'new cells start from no file: leave the file out, or --latent',
    });
  const foreign = OF_COMPLETION.find((flag) => flags[flag] !== undefined);
  if (foreign)
    throw new ConfigError({
      key: `--${foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      found: 'given together with --latent',
      hint: 'it is for completing the cells of a file',
    });
  const checkpoint = await openCheckpoint(resolveCheckpoint(path));
  await loadTensorFlow({ notice: say });
  const executor = await createExecutor({ kind });
  try {
    const made = await newCellsFile(checkpoint, executor, job);
    const types = Object.entries(made.labels)
      .filter(([, n]) => n > 0)
      .map(([name, n]) => `${name} ${n}`);
    return {
      json: { ...made },
      text: [
        `${made.numCells} new cells, ${made.from === 'prior' ? 'drawn from the prior' : 'drawn near training cells'}, ${made.meanGenes.toFixed(0)} of ${made.numGenes} genes shown on average → ${made.output}`,
        ...(types.length > 0 ? [`types, as the model sees them: ${types.join(', ')}`] : []),
      ].join('\n'),
    };
  } finally {
    executor.dispose();
  }
}
