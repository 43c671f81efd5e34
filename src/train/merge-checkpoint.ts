import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, OutputError } from '../errors.js';
import { readAdapter } from './adapter.js';
import { CHECKPOINT_FILES, loadCheckpoint, resolveCheckpoint, saveCheckpoint } from './checkpoint.js';

/**
 * Writes adapter and base as one checkpoint that needs neither; it cannot be resumed, for the adapter's optimiser state is not in it.
 * @throws CheckpointError when the folder is no adapter's or its base is not found; OutputError when something stands at `out`
 */
export async function mergeCheckpoint(path: string, out: string): Promise<{ numMerged: number }> {
  const folder = resolveCheckpoint(path);
  const { info } = await readAdapter(folder);
  if (existsSync(out) && readdirSync(out).length > 0) throw new OutputError({ file: out, found: 'is not empty', hint: 'choose another --out' });
  const { state, head, parameters, ...model } = await loadCheckpoint(folder);
  if (!state) throw new CheckpointError({ file: join(folder, CHECKPOINT_FILES.state), found: 'no such file', hint: 'extract the adapter again' });
  const card = await readFile(join(folder, CHECKPOINT_FILES.card), 'utf8').catch((cause: unknown) => {
    throw new CheckpointError({ file: join(folder, CHECKPOINT_FILES.card), found: 'no such file', hint: 'extract the adapter again', cause });
  });
  await saveCheckpoint(out, { ...model, parameters: { ...parameters, ...head?.parameters }, head: head?.info, optimizer: {}, state, card });
  return { numMerged: info.targets.length };
}
