// n cells, D cell embedding, Z latent dimensions, G decoded genes, C classes, N sequencing batches
import * as tf from '@tensorflow/tfjs-core';
import type { Executor, HostTensors, Program, Tensors } from '../../runtime/program/program.js';
import { inRowChunks } from '../row-chunks.js';
import { decodeGenes, decodedSpreads, decodeLabels, encodeLatent, type VariationalHeadInfo } from './head.js';
import { expectedValues } from './hurdle.js';

/** Normal distributions over latent states, one a cell. */
export interface LatentCells {
  /** [n, Z] */
  readonly mu: Float32Array;
  /** [n, Z] log σ² */
  readonly logvar: Float32Array;
}

/** What the gene decoder says of latent states. */
export interface DecodedCells {
  /** [n, 3, G]: log odds that the gene is shown, its mean value where it is, and its expected value, zeros counted. */
  readonly levels: Float32Array;
  /** [G] standard deviation of a shown value. */
  readonly spreads: Float32Array;
}

/** The trained head alone, applied to cell embeddings and to latent states. */
export interface LatentSpace {
  readonly info: VariationalHeadInfo;
  /** @param embeddings [n, D] */
  encode(embeddings: Float32Array): Promise<LatentCells>;
  /** @param z [n, Z] @param techBatches [n] index into info.techBatches, -1 = none of them */
  decode(z: Float32Array, techBatches: Int32Array): Promise<DecodedCells>;
  /** Logits of the label decoder: [n, C]. Only where there is one. */
  labelLogits(z: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/** Cells decoded at once: a row is as wide as three times the genes. */
const DECODED_ROWS = 256;

/** @param head as `readHead` gives it */
export async function createLatentSpace(
  executor: Executor,
  { info, parameters }: { info: VariationalHeadInfo; parameters: HostTensors },
): Promise<LatentSpace> {
  const { embeddingDim: D, latentDim: Z, classes, techBatches, geneIds } = info;
  const [G, N] = [geneIds.length, techBatches.length];
  const variables = await executor.createVariables(parameters);
  const compile = (name: string, fn: (state: Tensors, x: tf.Tensor2D) => tf.Tensor): Program =>
    executor.compile((state, { x }) => ({ outputs: { out: fn(state, x as tf.Tensor2D) } }), { variables, name: `latent ${name}` });
  const encoder = compile('encoder', (state, x) => {
    const { mu, logvar } = encodeLatent(state, x);
    return tf.concat([mu, logvar], 1); // [n, 2Z]
  });
  const decoder = compile('genes', (state, x) => {
    const told = N > 0 ? tf.slice(x, [0, Z], [-1, N]) : undefined;
    const levels = decodeGenes(state, tf.slice(x, [0, 0], [-1, Z]), told);
    return tf.concat([levels.logits, levels.means, expectedValues(levels)], 1); // [n, 3G]
  });
  const classifier = classes.length > 0 ? compile('labels', decodeLabels) : undefined;
  const apply = (program: Program, rows: Float32Array, numIn: number, numOut: number, chunkRows?: number) =>
    inRowChunks(rows, numIn, numOut, async (x) => (await program.run({ x }))['out']!.data, chunkRows);
  const spreads = decodedSpreads(parameters);

  return {
    info,
    async encode(embeddings) {
      const both = await apply(encoder, embeddings, D, 2 * Z);
      const half = (offset: number): Float32Array =>
        Float32Array.from({ length: both.length / 2 }, (_, i) => both[Math.floor(i / Z) * 2 * Z + offset + (i % Z)]!);
      return { mu: half(0), logvar: half(Z) };
    },
    async decode(z, codes) {
      return { levels: await apply(decoder, withBatches(z, codes, Z, N), Z + N, 3 * G, DECODED_ROWS), spreads };
    },
    async labelLogits(z) {
      if (!classifier) throw new Error('this head has no label decoder');
      return apply(classifier, z, Z, classes.length);
    },
    dispose() {
      for (const program of [encoder, decoder, classifier]) program?.dispose();
      variables.dispose();
    },
  };
}

/** Each latent state with its batch, one-hot, behind it. @param codes [n], -1 = none @returns [n, Z + N] */
function withBatches(z: Float32Array, codes: Int32Array, Z: number, N: number): Float32Array {
  if (N === 0) return z;
  const out = new Float32Array(codes.length * (Z + N));
  codes.forEach((code, i) => {
    out.set(z.subarray(i * Z, (i + 1) * Z), i * (Z + N));
    if (code >= 0) out[i * (Z + N) + Z + code] = 1;
  });
  return out;
}
