// B cells in a batch, S samples of each cell, L gene slots a cell, V gene vocabulary
import { createDenoiser } from '../diffusion/denoiser.js';
import { blankGenes, type PartialCells } from '../diffusion/partial-cells.js';
import { completeCells } from '../diffusion/sampler.js';
import type { CellBatch } from '../data/batch.js';
import type { FileBatches } from '../data/loader/file-batches.js';
import { DataError, InterruptedError } from '../errors.js';
import { silentProgress, type Progress } from '../progress.js';
import { Rng } from '../rng.js';
import type { Executor } from '../runtime/program/program.js';
import type { Checkpoint } from '../train/checkpoint.js';
import type { GenerateConfig } from './config.js';

/** One completion of one cell. Arrays have one entry a gene, ascending by id. */
export interface GeneratedCell {
  /** Row of the cell in its file. */
  readonly cellIndex: number;
  /** 0 … S-1 */
  readonly sample: number;
  readonly geneIds: Int32Array;
  /** Log-normalised expression; of given genes as the model saw it. */
  readonly values: Float32Array;
  /** 1 = generated, 0 = given. */
  readonly isGenerated: Uint8Array;
}

/** How much of what was hidden came back. Genes that were added but never hidden count as generated and cannot be recovered. */
export interface Recovery {
  readonly numHidden: number;
  readonly numGenerated: number;
  /** Share of the hidden genes among the generated ones of the same cell. */
  readonly recall: number;
  /** What `recall` would be on average had the generated genes been drawn blindly from those the cell did not show. */
  readonly chanceRecall: number;
  /** Root mean squared error of the values of recovered genes; null when none was. */
  readonly valueRmse: number | null;
}

export interface Generation {
  /** Cell by cell in file order, S samples of each. */
  readonly cells: readonly GeneratedCell[];
  /** null when nothing was hidden. */
  readonly recovery: Recovery | null;
  /** Cells to which no gene was added because they fill the model's positions, among those that were to get some. */
  readonly numFull: number;
}

export interface GenerateOptions {
  readonly config: GenerateConfig;
  /** The user's name for the file, for messages. */
  readonly file: string;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Completes cells: hides a share of their genes or appends unknown slots, and fills these by reverse diffusion. The samples of a cell share what
 * is hidden and differ in what is drawn; a cell's completions depend on its row, its content and the seed, not on batches or other cells.
 * @throws InterruptedError after the signal; DataError when there is no cell to complete
 */
export async function generateCells(
  checkpoint: Checkpoint,
  executor: Executor,
  batches: FileBatches,
  { config, file, progress = silentProgress, signal }: GenerateOptions,
): Promise<Generation> {
  const { modelConfig, vocabulary } = checkpoint;
  const maxGenes = Math.min(modelConfig.maxGenes, vocabulary.genes.length);
  const rng = Rng.fromSeed(config.seed).fork('generate');
  const variables = await executor.createVariables(checkpoint.parameters);
  const denoiser = createDenoiser(executor, variables, modelConfig, vocabulary);
  const numCells = Math.min(batches.numCells, config.maxCells ?? Infinity);
  const bar = progress.start('Generate', numCells * config.numSamples, 'cells');
  const cells: GeneratedCell[] = [];
  const tally = new RecoveryTally();
  let numFull = 0;
  try {
    for await (const whole of batches) {
      const batch = firstCells(whole, numCells);
      if (batch.numCells === 0) break;
      const partial = blankGenes(batch, { maskRatio: config.maskRatio, numExtraGenes: config.extraGenes, maxGenes }, vocabulary, rng.fork('hide'));
      if (config.extraGenes > 0) numFull += batch.numGenes.reduce((sum, numGenes) => sum + Number(numGenes >= maxGenes), 0);
      const numUnknown = partial.isUnknown.reduce((sum, isUnknown) => sum + isUnknown, 0);
      const keys = Array.from(batch.cellIndex, (row) => `cell/${row}`);
      const samples: PartialCells[] = [];
      for (let sample = 0; sample < config.numSamples; sample++) {
        const done = cells.length + samples.length * batch.numCells;
        samples.push(
          await completeCells(partial, denoiser, vocabulary, config, rng.fork(`sample/${sample}`), keys, (numLeft) => {
            if (signal?.aborted)
              throw new InterruptedError({ file, found: `interrupted after ${done} of ${numCells * config.numSamples} cells`, hint: 'nothing was written' });
            bar.update(done + Math.floor(batch.numCells * (1 - numLeft / numUnknown)));
          }),
        );
      }
      for (let b = 0; b < batch.numCells; b++) {
        for (const [sample, completed] of samples.entries()) {
          const cell = collectCell(completed, partial, b, batch.cellIndex[b]!, sample, vocabulary);
          cells.push(cell);
          tally.add(batch, b, partial, cell, vocabulary.genes.length);
        }
      }
      bar.update(cells.length);
    }
  } finally {
    bar.stop();
    denoiser.dispose();
    variables.dispose();
  }
  if (!cells.length) throw new DataError({ file, found: 'no cell with a gene of the vocabulary', hint: 'nothing was written' });
  return { cells, recovery: config.maskRatio > 0 ? tally.result() : null, numFull };
}

/** Those cells of a batch that lie among the first `numCells` rows of the file. */
function firstCells(batch: CellBatch, numCells: number): CellBatch {
  const kept = batch.cellIndex.findIndex((row) => row >= numCells);
  if (kept < 0) return batch;
  const slots = kept * batch.seqLen;
  return {
    ...batch,
    numCells: kept,
    geneIds: batch.geneIds.slice(0, slots),
    values: batch.values.slice(0, slots),
    numGenes: batch.numGenes.slice(0, kept),
    cellIndex: batch.cellIndex.slice(0, kept),
  };
}

function collectCell(
  completed: PartialCells,
  partial: PartialCells,
  b: number,
  cellIndex: number,
  sample: number,
  { padId, padFillId }: { padId: number; padFillId: number },
): GeneratedCell {
  const { seqLen, geneIds, values } = completed;
  const slots = Array.from({ length: seqLen }, (_, l) => b * seqLen + l)
    .filter((slot) => geneIds[slot] !== padId && geneIds[slot] !== padFillId)
    .sort((x, y) => geneIds[x]! - geneIds[y]!);
  return {
    cellIndex,
    sample,
    geneIds: Int32Array.from(slots, (slot) => geneIds[slot]!),
    values: Float32Array.from(slots, (slot) => values[slot]!),
    isGenerated: Uint8Array.from(slots, (slot) => partial.isUnknown[slot]!),
  };
}

/** Counts what came back of what was hidden. */
class RecoveryTally {
  private numHidden = 0;
  private numGenerated = 0;
  private numRecovered = 0;
  private numRecoveredByChance = 0;
  private squaredError = 0;

  /** @param batch the cells as they were @param numVocabularyGenes genes there are to draw from */
  add(batch: CellBatch, b: number, partial: PartialCells, cell: GeneratedCell, numVocabularyGenes: number): void {
    const hidden = new Map<number, number>();
    const numGenes = batch.numGenes[b]!;
    for (let l = 0; l < numGenes; l++)
      if (partial.isUnknown[b * partial.seqLen + l]) hidden.set(batch.geneIds[b * batch.seqLen + l]!, batch.values[b * batch.seqLen + l]!);
    let numGenerated = 0;
    cell.geneIds.forEach((id, i) => {
      if (!cell.isGenerated[i]) return;
      numGenerated++;
      const value = hidden.get(id);
      if (value === undefined) return;
      this.numRecovered++;
      this.squaredError += (cell.values[i]! - value) ** 2;
    });
    this.numHidden += hidden.size;
    this.numGenerated += numGenerated;
    this.numRecoveredByChance += (hidden.size * numGenerated) / (numVocabularyGenes - (numGenes - hidden.size));
  }

  result(): Recovery {
    const { numHidden, numGenerated, numRecovered } = this;
    return {
      numHidden,
      numGenerated,
      recall: numHidden ? numRecovered / numHidden : 0,
      chanceRecall: numHidden ? this.numRecoveredByChance / numHidden : 0,
      valueRmse: numRecovered ? Math.sqrt(this.squaredError / numRecovered) : null,
    };
  }
}
