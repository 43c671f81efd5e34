import { stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sha256File } from '../files.js';
import type { ModelConfig } from '../model/config.js';
import { parameterCount, parameterSpecs } from '../model/parameters.js';
import type { Preprocessing } from '../data/loader/config.js';
import { CHECKPOINT_FILES, type HeadInfo, type OpenCheckpoint } from '../train/checkpoint.js';

/** What a checkpoint is, without computing anything with it. */
export interface CheckpointDescription {
  readonly folder: string;
  readonly model: ModelConfig;
  readonly numParameters: number;
  readonly numTensors: number;
  /** Types the weights are stored in. */
  readonly dtypes: readonly string[];
  readonly numGenes: number;
  /** sha256 over the ordered genes. */
  readonly vocabularyHash: string;
  readonly preprocessing: Preprocessing;
  /** Smallest and largest entry of the entropy table, over genes; equal ones rank by expression. */
  readonly entropyRange: readonly [smallest: number, largest: number];
  readonly head: HeadInfo | null;
  /** null for weights that were not trained here. */
  readonly training: {
    readonly task: string;
    readonly step: number;
    readonly seed: number;
    readonly metrics: Readonly<Record<string, number>> | null;
    readonly versions: Readonly<Record<string, string>>;
  } | null;
  readonly files: readonly { readonly name: string; readonly sizeBytes: number; readonly sha256: string }[];
  /** Verbs that work with it. */
  readonly abilities: readonly string[];
}

const VERBS_OF_HEAD: Readonly<Record<string, readonly string[]>> = {
  annotation: ['annotate', 'evaluate annotation'],
  integration: ['integrate', 'evaluate integration'],
  perturbation: ['perturb', 'evaluate perturbation'],
};

/** Reads every file of the checkpoint once, for its hash. */
export async function describeCheckpoint(checkpoint: OpenCheckpoint): Promise<CheckpointDescription> {
  const { folder, modelConfig, vocabulary, entropy, preprocessing, head, state, weightsFiles, weightsDtypes } = checkpoint;
  const others = Object.values(CHECKPOINT_FILES)
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path) && !weightsFiles.includes(path));
  const files: { name: string; sizeBytes: number; sha256: string }[] = [];
  for (const path of [...weightsFiles, ...others]) files.push({ name: basename(path), sizeBytes: (await stat(path)).size, sha256: await sha256File(path) });
  const ofGenes = entropy.subarray(vocabulary.firstGeneId, vocabulary.padFillId);
  return {
    folder,
    model: modelConfig,
    numParameters: parameterCount(modelConfig, vocabulary.size),
    numTensors: parameterSpecs(modelConfig, vocabulary.size).length,
    dtypes: weightsDtypes,
    numGenes: vocabulary.genes.length,
    vocabularyHash: vocabulary.hash,
    preprocessing,
    entropyRange: [ofGenes.reduce((a, b) => Math.min(a, b), 1), ofGenes.reduce((a, b) => Math.max(a, b), 0)],
    head: head?.info ?? null,
    training: state ? { task: state.task, step: state.step, seed: state.seed, metrics: state.validation?.metrics ?? null, versions: state.versions } : null,
    files,
    abilities: [
      'embed',
      'generate',
      'finetune',
      'grn',
      'export',
      'evaluate reconstruction',
      'evaluate gene-correlation',
      ...(VERBS_OF_HEAD[head?.info.task ?? ''] ?? []),
    ],
  };
}
