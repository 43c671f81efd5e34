import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../errors.js';
import { readText, sha256File } from '../../files.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';

export const REFERENCE_FILES = { manifest: 'reference.json', neighbours: 'neighbours.usearch', labels: 'labels.safetensors' } as const;

/** Of reference.json; a later one that an older program would misread gets another number. */
const FORMAT = 1;

const FileFacts = z.strictObject({ sizeBytes: z.int().positive(), sha256: z.string() });

/** reference.json: all there is to know of a reference but its cells. */
export const ReferenceManifest = z.strictObject({
  format: z.literal(FORMAT),
  version: z.string().describe('of the program that made it'),
  model: z.strictObject({ name: z.string(), fingerprint: z.string().describe('of all that decides what a cell’s embedding is') }),
  source: z.strictObject({ file: z.string(), sha256: z.string(), matrix: z.string(), valueKind: z.string() }),
  labelKey: z.string().describe('obs column the labels came from'),
  classes: z.array(z.string()).min(1),
  classSizes: z.array(z.int().positive()),
  numCells: z.int().positive(),
  embeddingDim: z.int().positive(),
  numNeighbours: z.int().positive().describe('cells that vote'),
  leaveOneOut: z
    .strictObject({
      accuracy: z.number().min(0).max(1),
      distances: z.array(z.number().min(0)).min(2).describe('mean distance of its own cells to their neighbours, from the smallest to the largest'),
    })
    .describe('what its own cells come to, each left out of its own search'),
  threshold: z.number().min(0).max(1).describe('cells that are less typical are called unknown: this share of its own cells'),
  files: z.strictObject({ [REFERENCE_FILES.neighbours]: FileFacts, [REFERENCE_FILES.labels]: FileFacts }),
});
export type ReferenceManifest = z.infer<typeof ReferenceManifest>;

export function newManifest(content: Omit<ReferenceManifest, 'format'>): ReferenceManifest {
  return { format: FORMAT, ...content };
}

/** @throws DataError where there is no reference, or a damaged one */
export async function readManifest(folder: string): Promise<ReferenceManifest> {
  const file = join(folder, REFERENCE_FILES.manifest);
  const text = await readText(file).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError({
      file,
      found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`,
      expected: 'a folder that scdiva reference build has written',
      cause,
    });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new DataError({ file, found: 'not JSON', hint: 'the file is damaged: build the reference again', cause });
  }
  const parsed = ReferenceManifest.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new DataError({
      file,
      key: issue.path.join('.') || undefined,
      found: issue.message,
      hint: 'the file is damaged or of another version: build the reference again',
    });
  }
  return parsed.data;
}

/** @throws DataError for a file that is not the one that was written */
export async function checkFiles(folder: string, { files }: ReferenceManifest): Promise<void> {
  for (const [name, { sha256 }] of Object.entries(files)) {
    const file = join(folder, name);
    const found = await sha256File(file).catch((cause: unknown) => {
      throw new DataError({ file, found: 'no such file', hint: 'build the reference again', cause });
    });
    if (found !== sha256)
      throw new DataError({
        file,
        found: 'other bytes than were written',
        expected: `sha256 ${sha256}`,
        hint: 'it is damaged: copy it or build the reference again',
      });
  }
}

/** The same for any two checkpoints that embed every cell alike: of the weights, the genes and how cells become input. */
export async function embeddingFingerprint({ weightsFiles, vocabulary, entropy, preprocessing }: OpenCheckpoint): Promise<string> {
  const hash = createHash('sha256');
  for (const file of weightsFiles) hash.update(await sha256File(file));
  hash.update(vocabulary.hash);
  hash.update(new Uint8Array(entropy.buffer, entropy.byteOffset, entropy.byteLength));
  hash.update(JSON.stringify(Object.entries(preprocessing).sort(([a], [b]) => (a < b ? -1 : 1))));
  return hash.digest('hex');
}
