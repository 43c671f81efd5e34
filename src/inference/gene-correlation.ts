// n cells, G genes, B cells in a batch, L gene slots a cell, D hidden
import type * as tf from '@tensorflow/tfjs-core';
import type { CellFile } from '../data/readers/reader.js';
import type { CellBatch } from '../data/batch.js';
import { numLossRows } from '../diffusion/forward.js';
import { DataError, InterruptedError } from '../errors.js';
import { correlationOfRows, geneModules, matrixAgreement, type GeneMatrix, type MatrixAgreement } from '../metrics/gene-correlation.js';
import { topPositions } from '../metrics/ranking.js';
import { geneHidden, hiddenStates, predictedValues, slotStates } from '../model/scdiva.js';
import { silentProgress } from '../progress.js';
import { Rng } from '../rng.js';
import type { Executor, HostTensor } from '../runtime/program/program.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { cellSource, type ReadOptions } from './cell-source.js';

export interface GeneCorrelationOptions extends ReadOptions {
  /** Symbols or Ensembl ids; default: the most variable genes. */
  readonly genes?: readonly string[] | undefined;
  /** How many genes where none are named [200]. */
  readonly numGenes?: number | undefined;
  /** Cells looked at, drawn at random [500]. */
  readonly maxCells?: number | undefined;
  readonly seed?: number | undefined;
}

/** Ways to say how alike two genes are. */
export const CORRELATION_SOURCES = ['geneEmbedding', 'contextual', 'reconstructed', 'presence', 'otherHalf'] as const;
export type CorrelationSource = (typeof CORRELATION_SOURCES)[number];

export interface GeneCorrelation {
  /** G names. */
  readonly genes: readonly string[];
  readonly numCells: number;
  /** Correlation of log-normalised expression over the cells, zeros included. */
  readonly raw: GeneMatrix;
  /**
   * The model's: rows of the gene embedding; states of the last block, averaged over the cells that show the gene; and values predicted for hidden
   * genes, each slot hidden once. Two are no model: `presence`, whether a gene is among those the model is shown of a cell, which the predicted values
   * know, too, being 0 elsewhere; and `otherHalf`, the raw correlation of one half of the cells, to be held against the other half's.
   */
  readonly matrices: Readonly<Record<CorrelationSource, GeneMatrix>>;
  /** Of each matrix with the raw one; of `otherHalf` with the raw one of the first half: what noise leaves. */
  readonly agreement: Readonly<Record<CorrelationSource, MatrixAgreement>>;
  /** [G] modules of the raw and of the contextual matrix. */
  readonly modules: { readonly raw: Int32Array; readonly contextual: Int32Array };
  readonly notes: readonly string[];
}

/** Passes in which every slot is hidden once. */
const NUM_PASSES = 5;
/** Share of the cells that must express a gene for it to be chosen. */
const LEAST_EXPRESSED = 0.05;

/**
 * Gene-gene correlation as a model has it and as the cells have it.
 * @throws DataError when fewer than 3 genes or 10 cells can be used; InterruptedError after the signal
 */
export async function geneCorrelation(
  checkpoint: Checkpoint,
  executor: Executor,
  cells: CellFile,
  { genes: named, numGenes = 200, maxCells = 500, seed = 0, ...options }: GeneCorrelationOptions = {},
): Promise<GeneCorrelation> {
  const { vocabulary, preprocessing, modelConfig, parameters } = checkpoint;
  const { progress = silentProgress, signal } = options;
  const rng = Rng.fromSeed(seed).fork('gene-correlation');
  // Every expressed gene, not the best-ranked alone: the raw correlation knows no ranks.
  const all = await cellSource(cells, { ...checkpoint, preprocessing: { ...preprocessing, maxGenes: vocabulary.size, serialisation: 'expression' } }, options);
  const chosen = new Set(rng.fork('cells').permutation(all.batches.numCells).subarray(0, maxCells));
  const rowOf = new Map<number, number>([...chosen].sort((a, b) => a - b).map((cell, i) => [cell, i]));
  const n = rowOf.size;
  if (n < 10) throw new DataError({ file: cells.path, found: `${n} cells`, expected: 'at least 10' });
  const expression = new Map<number, Float64Array>();
  for await (const batch of all.batches)
    forEachGene(batch, rowOf, (row, id, value) => {
      if (!expression.has(id)) expression.set(id, new Float64Array(n));
      expression.get(id)![row] = value;
    });
  const ids = named ? idsOf(named, checkpoint, expression) : mostVariable(expression, n, numGenes);
  if (ids.length < 3) throw new DataError({ file: cells.path, found: `${ids.length} genes of the model expressed in these cells`, expected: 'at least 3' });
  const G = ids.length;
  const columnOf = new Map(ids.map((id, column) => [id, column]));

  const shown = await cellSource(cells, checkpoint, options);
  const D = modelConfig.hiddenDim;
  const states = new Float64Array(G * D);
  const numShown = new Int32Array(G);
  const given = new Float64Array(G * n);
  const isPresent = new Float64Array(G * n);
  const variables = await executor.createVariables(parameters);
  const stateProgram = executor.compile(
    (weights, inputs) => ({ outputs: { states: geneHidden(hiddenStates(weights, inputs as never, modelConfig, vocabulary)) } }),
    { variables, name: 'genes/states' },
  );
  const valueProgram = executor.compile(
    (weights, inputs) => ({
      outputs: { values: predictedValues(weights, slotStates(weights, inputs as never, inputs['slots'] as tf.Tensor1D, modelConfig, vocabulary)) },
    }),
    { variables, name: 'genes/values' },
  );
  const bar = progress.start('Genes', n, 'cells');
  try {
    let done = 0;
    for await (const whole of shown.batches) {
      const kept = [...whole.cellIndex.keys()].filter((b) => rowOf.has(whole.cellIndex[b]!));
      if (kept.length === 0) continue;
      const { numCells: B, seqLen: L, geneIds, values } = whole;
      const tensor = (data: Float32Array | Int32Array): HostTensor => ({ dtype: data instanceof Int32Array ? 'int32' : 'float32', shape: [B, L], data });
      const rows = (await stateProgram.run({ geneIds: tensor(geneIds), values: tensor(values), isReplaced: tensor(new Float32Array(B * L)) }))['states']!
        .data as Float32Array; // [B, L, D]
      const wanted = kept.flatMap((b) => Array.from({ length: whole.numGenes[b]! }, (_, l) => b * L + l)).filter((slot) => columnOf.has(geneIds[slot]!));
      for (const slot of wanted) {
        const column = columnOf.get(geneIds[slot]!)!;
        numShown[column]!++;
        isPresent[column * n + rowOf.get(whole.cellIndex[Math.floor(slot / L)]!)!] = 1;
        for (let j = 0; j < D; j++) states[column * D + j]! += rows[slot * D + j]!;
      }
      // Every slot belongs to one pass, by its cell's own stream.
      const passOf = new Uint8Array(B * L);
      for (const b of kept)
        rng
          .fork(`passes/${whole.cellIndex[b]}`)
          .permutation(whole.numGenes[b]!)
          .forEach((l, i) => (passOf[b * L + l] = i % NUM_PASSES));
      for (let pass = 0; pass < NUM_PASSES; pass++) {
        const asked = wanted.filter((slot) => passOf[slot] === pass);
        if (asked.length === 0) continue;
        const isHidden = Float32Array.from(geneIds, (_, slot) => Number(passOf[slot] === pass && slot % L < whole.numGenes[Math.floor(slot / L)]!));
        const slots = new Int32Array(numLossRows(asked.length, B * L));
        slots.set(asked);
        const isSummarised = Float32Array.from(geneIds, (_, slot) => Number(!isHidden[slot] && slot % L < whole.numGenes[Math.floor(slot / L)]!));
        const predicted = (
          await valueProgram.run({
            geneIds: tensor(geneIds),
            values: tensor(values),
            isReplaced: tensor(isHidden),
            isSummarised: tensor(isSummarised),
            slots: { dtype: 'int32', shape: [slots.length], data: slots },
          })
        )['values']!.data;
        asked.forEach(
          (slot, i) => (given[columnOf.get(geneIds[slot]!)! * n + rowOf.get(whole.cellIndex[Math.floor(slot / L)]!)!] = Math.max(0, predicted[i]!)),
        );
      }
      bar.update((done += kept.length));
      if (signal?.aborted) throw new InterruptedError({ file: cells.path, found: `interrupted after ${done} of ${n} cells`, hint: 'nothing was written' });
    }
  } finally {
    bar.stop();
    stateProgram.dispose();
    valueProgram.dispose();
    variables.dispose();
  }
  const embeddingRows = parameters['gene_embedding.weight']!.data as Float32Array;
  const rowsOf = (columns: readonly number[]) => ({
    numRows: G,
    numColumns: columns.length,
    data: Float64Array.from(ids.flatMap((id) => columns.map((cell) => expression.get(id)![cell]!))),
  });
  const cellsInOrder = [...rng.fork('halves').permutation(n)];
  const raw = correlationOfRows(rowsOf([...cellsInOrder.keys()]));
  const [half, otherHalf] = [cellsInOrder.slice(0, n >> 1), cellsInOrder.slice(n >> 1)].map((part) => correlationOfRows(rowsOf(part))) as [
    GeneMatrix,
    GeneMatrix,
  ];
  const matrices = {
    geneEmbedding: correlationOfRows({
      numRows: G,
      numColumns: D,
      data: Float64Array.from(ids.flatMap((id) => [...embeddingRows.subarray(id * D, (id + 1) * D)])),
    }),
    contextual: correlationOfRows({ numRows: G, numColumns: D, data: centredOverGenes(states, numShown, G, D) }),
    reconstructed: correlationOfRows({ numRows: G, numColumns: n, data: given }),
    presence: correlationOfRows({ numRows: G, numColumns: n, data: isPresent }),
    otherHalf,
  };
  const agreement = Object.fromEntries(
    CORRELATION_SOURCES.map((source) => [source, matrixAgreement(source === 'otherHalf' ? half : raw, matrices[source], rng.fork('null'))]),
  ) as GeneCorrelation['agreement'];
  const neverShown = numShown.reduce((sum, count) => sum + Number(count === 0), 0);
  return {
    genes: ids.map((id) => vocabulary.gene(id).symbol || vocabulary.gene(id).ensemblId),
    numCells: n,
    raw,
    matrices,
    agreement,
    modules: { raw: geneModules(raw, rng.fork('modules')), contextual: geneModules(matrices.contextual, rng.fork('modules')) },
    notes: [
      ...all.notes,
      ...(neverShown > 0
        ? [`${neverShown} of the genes are never among the ${preprocessing.maxGenes} best-ranked of a cell: the model has no state for them`]
        : []),
    ],
  };
}

function forEachGene(
  { numCells, seqLen, geneIds, values, numGenes, cellIndex }: CellBatch,
  rowOf: ReadonlyMap<number, number>,
  visit: (row: number, id: number, value: number) => void,
): void {
  for (let b = 0; b < numCells; b++) {
    const row = rowOf.get(cellIndex[b]!);
    if (row === undefined) continue;
    for (let slot = b * seqLen; slot < b * seqLen + numGenes[b]!; slot++) visit(row, geneIds[slot]!, values[slot]!);
  }
}

function idsOf(named: readonly string[], { vocabulary, folder }: Checkpoint, expression: ReadonlyMap<number, Float64Array>): number[] {
  const ids = named.map((name) => {
    const id = vocabulary.idOf(name);
    if (id === undefined)
      throw new DataError({ file: folder, key: '--genes', found: `no gene '${name}' in the vocabulary`, expected: 'symbols or Ensembl ids of genes.tsv' });
    return id;
  });
  return [...new Set(ids)].filter((id) => expression.has(id));
}

/** Genes of the largest variance over mean among those that a twentieth of the cells express. */
function mostVariable(expression: ReadonlyMap<number, Float64Array>, n: number, numGenes: number): number[] {
  const candidates = [...expression]
    .filter(([, values]) => values.reduce((sum, value) => sum + Number(value > 0), 0) >= LEAST_EXPRESSED * n)
    .sort((a, b) => a[0] - b[0]);
  const dispersion = candidates.map(([, values]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / n;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n / mean;
  });
  return Array.from(topPositions(dispersion, numGenes), (i) => candidates[i]![0]);
}

/** Mean states of the genes, less the mean over genes: what all states share says nothing of a pair. Genes without a state have zeros, which correlate with nothing. */
function centredOverGenes(sums: Float64Array, counts: Int32Array, G: number, D: number): Float64Array {
  const out = Float64Array.from(sums, (sum, i) => sum / (counts[Math.floor(i / D)]! || 1));
  const known = Array.from({ length: G }, (_, g) => g).filter((g) => counts[g]! > 0);
  for (let j = 0; j < D; j++) {
    const mean = known.reduce((sum, g) => sum + out[g * D + j]!, 0) / Math.max(1, known.length);
    for (const g of known) out[g * D + j]! -= mean;
  }
  return out;
}
