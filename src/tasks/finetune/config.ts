import { z } from 'zod';
import { DepthCorruption, LoaderConfig } from '../../data/loader/config.js';
import { LoraConfig } from '../../model/lora/config.js';
import { TrainConfig } from '../../train/config.js';

/** The keys every fine-tuning has, to be spread into its config beside `data`, its own keys and `task: z.literal(name).default(name)`. */
export const finetuneFields = {
  depth: DepthCorruption.default({ kind: 'none' }).describe('training cells as if sequenced less deeply'),
  loader: LoaderConfig.prefault({}),
  checkpoint: z.string().min(1).describe('pretrained checkpoint or run folder to start from'),
  start: z
    .enum(['pretrained', 'scratch'])
    .default('pretrained')
    .describe('scratch: a model of the checkpoint’s sizes and genes with fresh weights, to see what pretraining is worth'),
  cellState: z.enum(['latent', 'genes']).nullable().default(null).describe('what the cell embedding is, see model.cellState; null = what the checkpoint says'),
  maxGenes: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(
      'best-ranked genes read of a cell; more than the checkpoint was trained on only with cellState: genes, which costs no block; null = what the checkpoint says',
    ),
  lora: LoraConfig.nullable().default(null).describe('low-rank adapters learn in the place of the weights; null = the weights themselves'),
  baselines: z.boolean().default(true).describe('score simple methods on the same cells'),
  train: TrainConfig,
};

/** What the shared machinery reads of any fine-tuning's config. */
export interface FinetuneConfig {
  readonly task: string;
  readonly data: { readonly corpus: string };
  readonly loader: LoaderConfig;
  readonly checkpoint: string;
  readonly start: 'pretrained' | 'scratch';
  readonly cellState: 'latent' | 'genes' | null;
  readonly maxGenes: number | null;
  readonly lora: LoraConfig | null;
  readonly train: TrainConfig;
}

/** What a published protocol says of a training. */
export interface Protocol {
  readonly epochs: number;
  readonly batchSize: number;
  readonly lr: number;
  readonly earlyStopping: { readonly metric: string; readonly mode: 'min' | 'max'; readonly patience: number };
}

/**
 * Puts a protocol in the place of what the `train` section of a file leaves out; for `z.preprocess`. One validation after each
 * epoch, checkpoints of the best and the last only.
 * @param protocol of this file; it is given the raw config
 */
export function withProtocol(protocol: Protocol | ((raw: Readonly<Record<string, unknown>>) => Protocol)): (raw: unknown) => unknown {
  return (raw) => {
    if (!isRecord(raw) || (raw['train'] !== undefined && !isRecord(raw['train']))) return raw;
    const { epochs, batchSize, lr, earlyStopping } = typeof protocol === 'function' ? protocol(raw) : protocol;
    const train = raw['train'] ?? {};
    return {
      ...raw,
      train: {
        ...(train['steps'] == null && { epochs }),
        batchSize,
        evaluateEvery: 'epoch',
        checkpointEvery: null,
        ...train,
        optimizer: isRecord(train['optimizer']) ? { lr, ...train['optimizer'] } : (train['optimizer'] ?? { lr }),
        earlyStopping: isRecord(train['earlyStopping']) ? { ...earlyStopping, ...train['earlyStopping'] } : (train['earlyStopping'] ?? earlyStopping),
      },
    };
  };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
