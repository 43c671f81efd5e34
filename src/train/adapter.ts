import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { CheckpointError } from '../errors.js';
import { readText, sha256File, writeFolderAtomic } from '../files.js';
import { WEIGHTS_FILE } from '../model/load-weights.js';
import { LoraConfig } from '../model/lora/config.js';
import { adapterNames } from '../model/lora/lora.js';
import { readSafetensors, writeSafetensors } from '../model/safetensors.js';
import type { HostTensors } from '../runtime/program/program.js';

/** adapter.json: which matrices are adapted, how, and of which weights. */
export const AdapterInfo = z.strictObject({
  config: LoraConfig,
  targets: z.array(z.string()).min(1).describe('names of the adapted matrices'),
  base: z.strictObject({
    path: z.string().min(1).describe('checkpoint folder that is adapted; relative to the folder of this file'),
    sha256: z.string().describe('of its weights file'),
  }),
});
export type AdapterInfo = z.infer<typeof AdapterInfo>;

/** Low-rank adapters as a checkpoint folder holds them. */
export interface Adapter {
  readonly info: AdapterInfo;
  /** A and B of every target, by adapter name. */
  readonly parameters: HostTensors;
}

export const ADAPTER_FILES = { info: 'adapter.json', weights: 'adapter.safetensors' } as const;

/** Writes both files into a folder that is being made. */
export async function writeAdapter(folder: string, { info, parameters }: Adapter): Promise<void> {
  await writeFile(join(folder, ADAPTER_FILES.info), `${JSON.stringify(info, null, 1)}\n`);
  await writeSafetensors(join(folder, ADAPTER_FILES.weights), parameters, { format: 'pt' });
}

/** @throws CheckpointError when there is none, or one that is damaged */
export async function readAdapter(folder: string): Promise<Adapter> {
  const file = join(folder, ADAPTER_FILES.info);
  const damaged = (found: string, key?: string) => new CheckpointError({ file, key, found, hint: 'the file is damaged or of another version' });
  const text = await readText(file).catch((cause: NodeJS.ErrnoException) => {
    throw new CheckpointError({
      file,
      found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`,
      expected: 'the adapter of a fine-tuning with lora',
      cause,
    });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw damaged('not JSON');
  }
  const parsed = AdapterInfo.safeParse(raw);
  if (!parsed.success) throw damaged(parsed.error.issues[0]!.message, parsed.error.issues[0]!.path.join('.') || undefined);
  const info = parsed.data;
  return { info, parameters: await readSafetensors(join(folder, ADAPTER_FILES.weights), adapterNames(info)) };
}

/** Hash of the weights a folder stands for: its weights file, or of an adapter alone its adapter's. */
export function weightsSha256(folder: string): Promise<string> {
  const full = join(folder, WEIGHTS_FILE);
  return sha256File(existsSync(full) ? full : join(folder, ADAPTER_FILES.weights));
}

/** The folder of the weights that an adapter belongs to. @throws CheckpointError when it is not there, or holds other weights */
export async function findBase(folder: string, { base }: AdapterInfo): Promise<string> {
  const path = resolve(folder, base.path);
  const wrong = (found: string) =>
    new CheckpointError({ file: join(folder, ADAPTER_FILES.info), key: 'base.path', found, hint: 'put the path of the checkpoint there that was fine-tuned' });
  if (!existsSync(path)) throw wrong(`${path}, which is not there`);
  if ((await weightsSha256(path)) !== base.sha256) throw wrong(`${path}, which holds other weights than were adapted`);
  return path;
}

/** What makes a folder of an adapter alone: kilobytes, to be kept or sent beside the one base checkpoint. */
const KEPT_FILES = [ADAPTER_FILES.weights, 'head.json', 'head.safetensors', 'state.json', 'README.md'];

/**
 * Copies adapter and head out of a fine-tuned checkpoint folder. The new folder can be named wherever a checkpoint can, as long as the base
 * checkpoint is where its adapter.json says.
 * @throws CheckpointError for a checkpoint without an adapter; OutputError when the folder cannot be written
 */
export async function extractAdapter(checkpoint: string, out: string): Promise<AdapterInfo> {
  const { info } = await readAdapter(checkpoint);
  const base = await findBase(checkpoint, info);
  const moved: AdapterInfo = { ...info, base: { ...info.base, path: relative(resolve(out), base) } };
  await writeFolderAtomic(out, async (temporary) => {
    await writeFile(join(temporary, ADAPTER_FILES.info), `${JSON.stringify(moved, null, 1)}\n`);
    for (const name of KEPT_FILES) if (existsSync(join(checkpoint, name))) await copyFile(join(checkpoint, name), join(temporary, name));
  });
  return moved;
}
