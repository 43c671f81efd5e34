import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OutputError } from '../errors.js';
import { sha256File, writeFolderAtomic } from '../files.js';
import { toReleaseKeys } from '../model/release-config.js';
import { writeSafetensors } from '../model/safetensors.js';
import { entropyToTsv } from '../train/entropy-table.js';
import { allParameters, CHECKPOINT_FILES, openCheckpoint, type ModelDescription, type OpenCheckpoint } from '../train/checkpoint.js';
import type { ReleaseOptions } from '../train/release-options.js';

/**
 * Makes a folder that tells everything out of released weights and what the user says of them: model.safetensors in float32, config.json,
 * genes.tsv, entropy.tsv, preprocessing.json and a card with the hashes of what it was made from.
 * @param from checkpoint folder of any layout
 * @throws CheckpointError as `loadCheckpoint`; OutputError when `out` exists or cannot be written
 */
export async function importCheckpoint(from: string, out: string, release: ReleaseOptions): Promise<OpenCheckpoint> {
  if (existsSync(out)) throw new OutputError({ file: out, found: 'exists already', hint: 'name another --out' });
  const checkpoint = await openCheckpoint(from, release);
  const { folder, weightsFiles } = checkpoint;
  const hashes = await Promise.all(weightsFiles.map(async (file) => `- ${file.slice(folder.length + 1)}: sha256 ${await sha256File(file)}`));
  await writeFolderAtomic(out, async (temporary) => {
    await writeModelFiles(temporary, checkpoint);
    await writeFile(
      join(temporary, CHECKPOINT_FILES.card),
      [
        '# ScDiVa, imported weights',
        '',
        'Made from:',
        '',
        ...hashes,
        '',
        'Order of genes, entropy table and normalisation as they were told at the import.',
        '',
      ].join('\n'),
    );
  });
  return openCheckpoint(out);
}

/** The model of a checkpoint in the released layout, in float32, adapters merged; and beside it what tells its genes and how cells are prepared. */
export async function writeModelFiles(to: string, checkpoint: OpenCheckpoint): Promise<void> {
  await writeSafetensors(join(to, CHECKPOINT_FILES.weights), await allParameters(checkpoint), { format: 'pt' });
  await writeInputFiles(to, checkpoint);
  const { head, folder } = checkpoint;
  if (head) for (const name of [CHECKPOINT_FILES.head, CHECKPOINT_FILES.headWeights]) await copyFile(join(folder, name), join(to, name));
}

/** What turns a cell into the model's input: sizes and ids, genes, their ranking, normalisation. */
export async function writeInputFiles(to: string, { modelConfig, vocabulary, entropy, preprocessing }: ModelDescription): Promise<void> {
  const json = (value: object): string => `${JSON.stringify(value, null, 1)}\n`;
  await writeFile(join(to, CHECKPOINT_FILES.config), json({ ...toReleaseKeys(modelConfig, vocabulary), vocabularyHash: vocabulary.hash }));
  await writeFile(join(to, CHECKPOINT_FILES.genes), vocabulary.toTsv());
  await writeFile(join(to, CHECKPOINT_FILES.entropy), entropyToTsv(entropy, vocabulary));
  await writeFile(join(to, CHECKPOINT_FILES.preprocessing), json(preprocessing));
}
