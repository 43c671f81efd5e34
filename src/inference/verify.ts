// B cells, L gene slots a cell, D hidden, V gene vocabulary
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { DiffusionConfig } from '../diffusion/config.js';
import { maskedBatch } from '../diffusion/forward.js';
import { diffusionLoss } from '../diffusion/loss.js';
import { CheckpointError } from '../errors.js';
import { loadParameters } from '../model/load-weights.js';
import { readReleaseConfig, type ReleaseSizes } from '../model/release-config.js';
import { readSafetensors } from '../model/safetensors.js';
import { cellEmbedding, geneHidden, geneLogits, hiddenStates, predictedValues } from '../model/scdiva.js';
import { gradients } from '../runtime/program/gradients.js';
import { silentProgress, type Progress, type ProgressBar } from '../progress.js';
import type { Executor, HostTensor, HostTensors, ProgramFn, Tensors } from '../runtime/program/program.js';

/** The inputs and results of another implementation, beside the weights it computed them with. */
export const EXPECTED_FILE = 'expected.safetensors';

const OUTPUTS = ['cell_embedding', 'gene_logits', 'value_pred'];
const LOSSES = ['identity_loss', 'value_loss', 'loss'];
const GRADIENT = 'grad.';

export interface VerifyOptions {
  /** For outputs and losses. */
  readonly tolerance: number;
  /** For gradients. */
  readonly gradientTolerance: number;
  readonly progress?: Progress;
}

export interface Verification {
  readonly ok: boolean;
  /** One entry for every tensor of expected.safetensors that is a result; see `deviation` for what is measured. */
  readonly deviations: readonly { readonly name: string; readonly deviation: number; readonly limit: number }[];
}

/**
 * Runs a checkpoint on stored inputs and measures how far its outputs, losses and gradients are from the stored ones.
 * @param folder holds config.json, model.safetensors and expected.safetensors. The last has `gene_ids` and `values` [B, L], `is_replaced`
 * [B, L] and, where losses or gradients are to be compared, `is_masked` [B, L]; and any of `cell_embedding` [B, D], `gene_logits` [B, L, V],
 * `value_pred` [B, L], `identity_loss`, `value_loss`, `loss`, and `grad.<state-dict name>` of `loss`, all without dropout
 * @throws CheckpointError when a file is missing or damaged, or names and shapes do not fit the model
 */
export async function verifyCheckpoint(
  folder: string,
  executor: Executor,
  { tolerance, gradientTolerance, progress = silentProgress }: VerifyOptions,
): Promise<Verification> {
  const sizes = await readReleaseConfig(join(folder, 'config.json'));
  const parameters = await loadParameters(folder, sizes.config, sizes.ids.size);
  const file = join(folder, EXPECTED_FILE);
  const stored = await readSafetensors(file);
  const expected = expectedResults(stored, Object.keys(parameters), file);
  const bar = progress.start('Verify', 2, 'programs');
  const found = await compute(executor, sizes, parameters, storedInputs(stored, sizes, file), Object.keys(expected), bar).finally(() => bar.stop());
  const deviations = Object.entries(expected).map(([name, tensor]) => {
    const result = found[name]!;
    const isScalar = LOSSES.includes(name) && tensor.data.length === 1;
    if (!isScalar && String(result.shape) !== String(tensor.shape))
      throw new CheckpointError({
        file,
        key: name,
        found: `shape [${tensor.shape.join(', ')}]`,
        expected: `[${result.shape.join(', ')}] for this model and its inputs`,
      });
    const isGradient = name.startsWith(GRADIENT);
    return { name, deviation: deviation(result.data, tensor.data, isGradient ? 0 : 1), limit: isGradient ? gradientTolerance : tolerance };
  });
  return { ok: deviations.every(({ deviation, limit }) => deviation <= limit), deviations };
}

/**
 * max |found - expected| / max(floor, max |expected|), maxima over the whole tensor; Infinity where either is not finite.
 * @param floor 1 measures absolutely up to a size of 1 and relatively beyond, as float32 can resolve no more; 0 always relatively
 * (absolutely where everything expected is 0)
 */
export function deviation(found: ArrayLike<number>, expected: ArrayLike<number>, floor: 0 | 1): number {
  let difference = 0;
  let size: number = floor;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(found[i]) || !Number.isFinite(expected[i])) return Infinity;
    difference = Math.max(difference, Math.abs(found[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference / (size || 1);
}

function expectedResults(stored: HostTensors, parameterNames: readonly string[], file: string): HostTensors {
  const inputs = ['gene_ids', 'values', 'is_masked', 'is_replaced'];
  const known = new Set([...OUTPUTS, ...LOSSES, ...parameterNames.map((name) => GRADIENT + name)]);
  const results = Object.entries(stored).filter(([name]) => !inputs.includes(name));
  const unknown = results.find(([name]) => !known.has(name));
  if (unknown)
    throw new CheckpointError({
      file,
      key: unknown[0],
      found: 'neither an input nor a result of this model',
      expected: `${[...inputs, ...OUTPUTS, ...LOSSES].join(', ')} or ${GRADIENT}<parameter>`,
    });
  if (!results.length)
    throw new CheckpointError({ file, found: 'no result to compare with', expected: `${[...OUTPUTS, ...LOSSES].join(', ')} or ${GRADIENT}<parameter>` });
  return Object.fromEntries(results);
}

/** The stored batch as inputs of model and loss. */
function storedInputs(stored: HostTensors, { ids }: ReleaseSizes, file: string): HostTensors {
  const shape = stored['gene_ids']?.shape ?? [];
  const cells = (name: string, isOptional = false): HostTensor['data'] => {
    const tensor = stored[name];
    if (!tensor && isOptional) return new Uint8Array(shape[0]! * shape[1]!);
    if (!tensor) throw new CheckpointError({ file, key: name, found: 'missing', expected: 'one entry for each gene slot of each cell' });
    if (tensor.shape.length !== 2 || String(tensor.shape) !== String(shape))
      throw new CheckpointError({
        file,
        key: name,
        found: `shape [${tensor.shape.join(', ')}]`,
        expected: shape.length === 2 ? `[${shape.join(', ')}], as gene_ids` : 'cells × gene slots',
      });
    return tensor.data;
  };
  const geneIds = Int32Array.from(cells('gene_ids'));
  const outside = geneIds.find((id) => id < 0 || id >= ids.size);
  if (outside !== undefined)
    throw new CheckpointError({ file, key: 'gene_ids', found: `id ${outside}`, expected: `0 … ${ids.size - 1}, the vocabulary of config.json` });
  const needsMasked = Object.keys(stored).some((name) => LOSSES.includes(name) || name.startsWith(GRADIENT));
  const positions = Array.from(cells('is_masked', !needsMasked).entries()).flatMap(([position, isMasked]) => (isMasked ? [position] : []));
  const [numCells, seqLen] = shape as [number, number];
  const batch = {
    numCells,
    seqLen,
    geneIds,
    values: Float32Array.from(cells('values')),
    numGenes: new Int32Array(numCells),
    cellIndex: new Int32Array(numCells),
    labels: {},
  };
  return maskedBatch(batch, Float32Array.from(cells('is_replaced')), positions);
}

async function compute(
  executor: Executor,
  { config, ids }: ReleaseSizes,
  parameters: HostTensors,
  inputs: HostTensors,
  wanted: readonly string[],
  bar: ProgressBar,
): Promise<HostTensors> {
  const outputs: ProgramFn = (weights, cells) => {
    const hidden = hiddenStates(weights, cells as never, config, ids);
    const slots = geneHidden(hidden); // [B, L, D]
    const [numCells, seqLen, hiddenDim] = slots.shape;
    const rows: tf.Tensor2D = tf.reshape(slots, [numCells * seqLen, hiddenDim]);
    return {
      outputs: {
        cell_embedding: cellEmbedding(hidden),
        gene_logits: tf.reshape(geneLogits(weights, rows), [numCells, seqLen, ids.size]),
        value_pred: tf.reshape(predictedValues(weights, rows), [numCells, seqLen]),
      },
    };
  };
  const losses: ProgramFn = (weights, batch) => {
    const { loss, aux, grads } = gradients((at: Tensors) => {
      const { loss, identityLoss, valueLoss } = diffusionLoss(at, batch, { config, ids }, DiffusionConfig.parse({}));
      return { loss, aux: { identity_loss: identityLoss, value_loss: valueLoss } };
    }, weights);
    return { outputs: { loss, ...aux, ...Object.fromEntries(Object.entries(grads).map(([name, grad]) => [GRADIENT + name, grad])) } };
  };
  const variables = await executor.createVariables(parameters);
  try {
    const results: HostTensors[] = [];
    if (wanted.some((name) => OUTPUTS.includes(name))) {
      const { geneIds, values, isReplaced } = inputs as Record<string, HostTensor>;
      bar.update(0, 'outputs');
      results.push(await executor.compile(outputs, { variables, name: 'verify/outputs' }).run({ geneIds: geneIds!, values: values!, isReplaced: isReplaced! }));
    }
    if (wanted.some((name) => !OUTPUTS.includes(name))) {
      bar.update(1, 'losses and gradients');
      results.push(await executor.compile(losses, { variables, name: 'verify/losses' }).run(inputs));
    }
    bar.update(2);
    return Object.assign({}, ...results) as HostTensors;
  } finally {
    variables.dispose();
  }
}
