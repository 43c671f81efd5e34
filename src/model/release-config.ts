import { z } from 'zod';
import { CheckpointError } from '../errors.js';
import { readText } from '../files.js';
import { ModelConfig } from './config.js';
import type { GeneIdLayout } from './gene-ids.js';

/** The sizes and special ids a checkpoint's config.json states. */
export interface ReleaseSizes {
  readonly config: ModelConfig;
  readonly ids: GeneIdLayout;
}

/** The upper-case keys of released config.json files; other keys beside them belong to others and are left alone. */
const ReleaseKeys = z.object({
  SCGPT_DIM: z.int().positive(),
  HIDDEN_DIM: z.int().positive(),
  N_LAYERS: z.int().positive(),
  N_HEADS: z.int().positive(),
  DROPOUT: z.number().min(0).lt(1),
  D_HID: z.int().positive(),
  VOCAB_SIZE: z.int().min(6),
  PAD_TOKEN_ID: z.int().nonnegative(),
  MASK_TOKEN_ID: z.int().nonnegative(),
  PAD_FILL_GENE_ID: z.int().nonnegative(),
  BOS_GENE_ID: z.int().nonnegative(),
  EOS_GENE_ID: z.int().nonnegative(),
  MAX_GENE_LEN: z.int().positive(),
  ROPE_THETA: z.number().positive(),
  ROPE_MAX_LEN: z.int().positive(),
  /** Ours, and there only where they are not what the release has. */
  POSITIONS: z.enum(['rotary', 'none']).optional(),
  GENES_SEE_LATENT: z.boolean().optional(),
  CELL_STATE: z.enum(['latent', 'genes']).optional(),
});
export type ReleaseKeys = z.infer<typeof ReleaseKeys>;

const ID_KEYS = ['PAD_TOKEN_ID', 'MASK_TOKEN_ID', 'PAD_FILL_GENE_ID', 'BOS_GENE_ID', 'EOS_GENE_ID'] as const;

/** The keys a config.json of this model holds. */
export function toReleaseKeys(config: ModelConfig, ids: GeneIdLayout): ReleaseKeys {
  return {
    SCGPT_DIM: config.hiddenDim,
    HIDDEN_DIM: config.hiddenDim,
    N_LAYERS: config.numLayers,
    N_HEADS: config.numHeads,
    DROPOUT: config.dropout,
    D_HID: config.ffnDim,
    VOCAB_SIZE: ids.size,
    PAD_TOKEN_ID: ids.padId,
    MASK_TOKEN_ID: ids.maskId,
    PAD_FILL_GENE_ID: ids.padFillId,
    BOS_GENE_ID: ids.bosId,
    EOS_GENE_ID: ids.eosId,
    MAX_GENE_LEN: config.maxGenes,
    ROPE_THETA: config.ropeTheta,
    ROPE_MAX_LEN: config.maxGenes + 1,
    ...(config.positions !== 'rotary' && { POSITIONS: config.positions }),
    ...(!config.genesSeeLatent && { GENES_SEE_LATENT: false }),
    ...(config.cellState !== 'latent' && { CELL_STATE: config.cellState }),
  };
}

/**
 * @param raw a parsed config.json
 * @param file for messages
 * @throws CheckpointError for missing keys, impossible values and keys that contradict each other
 */
export function fromReleaseKeys(raw: unknown, file: string): ReleaseSizes {
  const parsed = ReleaseKeys.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const key = issue.path.join('.');
    const value = (raw as Record<string, unknown> | null)?.[key];
    throw new CheckpointError({
      file,
      key: key || undefined,
      found: value === undefined && key ? 'missing' : `found ${JSON.stringify(value ?? raw)}`,
      expected: issue.message.replace(/^(Invalid input|Too big|Too small): expected /, '').replace(/, received .*$/, ''),
    });
  }
  const keys = parsed.data;
  const refuse = (key: keyof ReleaseKeys, expected: string) => {
    throw new CheckpointError({ file, key, found: `found ${keys[key]}`, expected });
  };
  if (keys.SCGPT_DIM !== keys.HIDDEN_DIM) refuse('SCGPT_DIM', `HIDDEN_DIM, ${keys.HIDDEN_DIM}: gene embeddings as wide as the hidden states`);
  if (keys.ROPE_MAX_LEN < keys.MAX_GENE_LEN + 1)
    refuse('ROPE_MAX_LEN', `at least MAX_GENE_LEN + 1, ${keys.MAX_GENE_LEN + 1}: positions for every gene and [LAT]`);
  for (const [i, key] of ID_KEYS.entries()) {
    if (keys[key] >= keys.VOCAB_SIZE) refuse(key, `less than VOCAB_SIZE, ${keys.VOCAB_SIZE}`);
    const twin = ID_KEYS.slice(0, i).find((other) => keys[other] === keys[key]);
    if (twin) refuse(key, `another id than ${twin}`);
  }
  if (keys.HIDDEN_DIM % keys.N_HEADS !== 0) refuse('N_HEADS', `a divisor of HIDDEN_DIM, ${keys.HIDDEN_DIM}`);
  if ((keys.HIDDEN_DIM / keys.N_HEADS) % 2 !== 0)
    refuse('N_HEADS', `HIDDEN_DIM / N_HEADS even (rotary positions turn pairs), HIDDEN_DIM is ${keys.HIDDEN_DIM}`);
  return {
    config: ModelConfig.parse({
      hiddenDim: keys.HIDDEN_DIM,
      numLayers: keys.N_LAYERS,
      numHeads: keys.N_HEADS,
      ffnDim: keys.D_HID,
      dropout: keys.DROPOUT,
      maxGenes: keys.MAX_GENE_LEN,
      ropeTheta: keys.ROPE_THETA,
      positions: keys.POSITIONS,
      genesSeeLatent: keys.GENES_SEE_LATENT,
      cellState: keys.CELL_STATE,
    }),
    ids: {
      size: keys.VOCAB_SIZE,
      padId: keys.PAD_TOKEN_ID,
      maskId: keys.MASK_TOKEN_ID,
      padFillId: keys.PAD_FILL_GENE_ID,
      bosId: keys.BOS_GENE_ID,
      eosId: keys.EOS_GENE_ID,
    },
  };
}

/** Reads a checkpoint folder's config.json. @throws CheckpointError when it is missing, not JSON or inconsistent */
export async function readReleaseConfig(file: string): Promise<ReleaseSizes> {
  const text = await readText(file).catch((cause: NodeJS.ErrnoException) => {
    throw new CheckpointError({
      file,
      found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`,
      hint: 'name a checkpoint folder',
      cause,
    });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ file, found: `not JSON: ${(cause as Error).message}`, cause });
  }
  return fromReleaseKeys(raw, file);
}
