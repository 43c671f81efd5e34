// B cells, L gene slots a cell
import { Rng } from '../../rng.js';
import type { CellBatch } from '../../data/batch.js';
import type { HostTensor, HostTensors } from '../../runtime/program/program.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';
import type { ExportedModel } from './format.js';
import type { Signature } from './signatures.js';

/** How far an exported model is from its source, for one output over all cells that were compared. */
export interface Difference {
  readonly signature: string;
  readonly output: string;
  /** Largest |exported - source|; for whole numbers, how many differ. */
  readonly difference: number;
  /** The difference over the output's largest value (at least 1); for whole numbers, the share that differs. */
  readonly relative: number;
}

/** Runs both on the same batches. @param tolerance for `relative` @returns one entry for every numeric output */
export async function compareModels(
  signatures: readonly Signature[],
  source: ExportedModel,
  exported: ExportedModel,
  batches: Iterable<CellBatch> | AsyncIterable<CellBatch>,
  seed = 0,
): Promise<Difference[]> {
  const found = new Map<string, { signature: string; output: string; difference: number; size: number; isWhole: boolean }>();
  const rng = Rng.fromSeed(seed);
  for await (const batch of batches)
    for (const signature of signatures) {
      const inputs = inputsOf(signature, batch, rng.fork(`mask/${batch.cellIndex[0]}`));
      const outputs = outputsOf(signature);
      const [expected, actual] = [await source.run(signature, inputs, outputs), await exported.run(signature, inputs, outputs)];
      for (const output of outputs) {
        const key = `${signature.name}/${output}`;
        const isWhole = expected[output]!.dtype === 'int32';
        const entry = found.get(key) ?? { signature: signature.name, output, difference: 0, size: isWhole ? 0 : 1, isWhole };
        addDifferences(entry, expected[output]!, actual[output]!);
        found.set(key, entry);
      }
    }
  return [...found.values()].map(({ signature, output, difference, size }) => ({ signature, output, difference, relative: size > 0 ? difference / size : 0 }));
}

const OUTPUTS: Readonly<Record<Signature['name'], readonly string[]>> = {
  embed: ['latent'],
  annotate: ['latent', 'probabilities', 'confidence', 'label_ids'],
  reconstruct: ['genes', 'values'],
};

/** The numeric outputs of a signature. */
export const outputsOf = ({ name }: Signature): readonly string[] => OUTPUTS[name];

const MASK_RATIO = 0.3;

function inputsOf({ inputs }: Signature, { numCells, seqLen, geneIds, values, numGenes }: CellBatch, rng: Rng): HostTensors {
  const shape = [numCells, seqLen];
  const isMasked = Uint8Array.from(geneIds, (_, i) => Number(i % seqLen < numGenes[Math.floor(i / seqLen)]! && rng.uniform() < MASK_RATIO));
  const all: HostTensors = {
    gene_ids: { dtype: 'int32', shape, data: geneIds },
    values: { dtype: 'float32', shape, data: values },
    is_masked: { dtype: 'bool', shape, data: isMasked },
  };
  return Object.fromEntries(Object.keys(inputs).map((name) => [name, all[name]!]));
}

function addDifferences(entry: { difference: number; size: number; isWhole: boolean }, expected: HostTensor, actual: HostTensor): void {
  if (String(expected.shape) !== String(actual.shape)) {
    entry.difference = Infinity;
    return;
  }
  for (let i = 0; i < expected.data.length; i++) {
    const [e, a] = [expected.data[i]!, actual.data[i]!];
    if (entry.isWhole) {
      entry.size++;
      entry.difference += Number(e !== a);
    } else if (!(Number.isNaN(e) && Number.isNaN(a))) {
      entry.size = Math.max(entry.size, Math.abs(e));
      entry.difference = Math.max(entry.difference, Number.isFinite(e) && Number.isFinite(a) ? Math.abs(e - a) : Infinity);
    }
  }
}

/** Cells of no one: random genes and values, several lengths, for a comparison without a file. */
export function syntheticBatches(
  { vocabulary, preprocessing }: OpenCheckpoint,
  sizes: readonly (readonly [numCells: number, seqLen: number])[],
  seed = 0,
): CellBatch[] {
  let first = 0;
  return sizes.map(([numCells, wanted], index) => {
    const rng = Rng.fromSeed(seed).fork(`batch/${index}`);
    const seqLen = Math.min(wanted, preprocessing.maxGenes, vocabulary.genes.length);
    const geneIds = new Int32Array(numCells * seqLen).fill(vocabulary.padId);
    const values = new Float32Array(numCells * seqLen);
    const numGenes = Int32Array.from({ length: numCells }, (_, cell) => (cell === 0 ? seqLen : 1 + rng.int(seqLen)));
    numGenes.forEach((n, cell) => {
      const order = Array.from(vocabulary.genes.keys());
      for (let slot = 0; slot < n; slot++) {
        const pick = slot + rng.int(order.length - slot);
        [order[slot], order[pick]] = [order[pick]!, order[slot]!];
        geneIds[cell * seqLen + slot] = vocabulary.firstGeneId + order[slot]!;
        values[cell * seqLen + slot] = 0.1 + 5 * rng.uniform();
      }
    });
    const cellIndex = Int32Array.from({ length: numCells }, (_, i) => first + i);
    first += numCells;
    return { numCells, seqLen, geneIds, values, numGenes, cellIndex, labels: {} };
  });
}
