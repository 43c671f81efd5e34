// n cells, P proteins
import { DataError, InterruptedError } from '../errors.js';
import { silentProgress } from '../progress.js';
import type { CellFile } from '../data/readers/reader.js';
import { readProteins, scaleProteins } from '../data/readers/proteins.js';
import { scoreProteins, type ProteinScores } from '../metrics/protein-prediction.js';
import type { Executor } from '../runtime/program/program.js';
import { readHead } from '../tasks/multimodal/head.js';
import { createProteinPredictor } from '../tasks/multimodal/predictor.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { cellSource, type CellSource, type ReadOptions } from './cell-source.js';

/** Surface proteins told from the genes of a file's cells. */
export interface PredictedProteins {
  /** P names. */
  readonly proteins: readonly string[];
  /** `clr`, `log1p` or `none`: what the levels are in. */
  readonly scale: 'clr' | 'log1p' | 'none';
  /** [n, P]; NaN where a cell has no gene of the vocabulary. */
  readonly levels: Float32Array;
  readonly numCells: number;
  readonly source: Omit<CellSource, 'batches'>;
}

/** @throws CheckpointError without a multi-modal head; DataError when the file cannot be used; InterruptedError after the signal */
export async function predictProteins(checkpoint: Checkpoint, executor: Executor, cells: CellFile, options: ReadOptions = {}): Promise<PredictedProteins> {
  const head = readHead(checkpoint);
  const { proteins, scale } = head.info;
  const { progress = silentProgress, signal } = options;
  const { batches, ...source } = await cellSource(cells, checkpoint, options);
  const P = proteins.length;
  const levels = new Float32Array(batches.numCells * P).fill(NaN);
  const predictor = await createProteinPredictor(executor, checkpoint, head);
  const bar = progress.start('Predict proteins', batches.numCells, 'cells');
  try {
    let done = 0;
    for await (const batch of batches) {
      const predicted = await predictor.predict(batch);
      batch.cellIndex.forEach((row, i) => levels.set(predicted.subarray(i * P, (i + 1) * P), row * P));
      bar.update((done += batch.numCells));
      if (signal?.aborted)
        throw new InterruptedError({ file: cells.path, found: `interrupted after ${done} of ${batches.numCells} cells`, hint: 'nothing was written' });
    }
  } finally {
    bar.stop();
    predictor.dispose();
  }
  return { proteins, scale, levels, numCells: batches.numCells, source };
}

export interface MultimodalEvaluation extends ProteinScores {
  /** Cells that have genes and measured proteins. */
  readonly numCells: number;
  /** Proteins that were scored: those of the model that the file measured. */
  readonly proteins: readonly string[];
  readonly missing: readonly string[];
  readonly scale: PredictedProteins['scale'];
  /** Always telling the mean that each protein has in this file: what a prediction of no cell in particular would come to at best. */
  readonly meanRmse: number;
  readonly source: PredictedProteins['source'];
}

/**
 * Predicts the proteins of a file from its genes and scores them against those measured.
 * @param proteinFile the file, or another of the same cells
 * @throws as predictProteins and readProteins; DataError when no protein or no cell is shared
 */
export async function evaluateMultimodal(
  checkpoint: Checkpoint,
  executor: Executor,
  cells: CellFile,
  proteinFile: string,
  proteinKey: string | undefined,
  options: ReadOptions = {},
): Promise<MultimodalEvaluation> {
  const { info } = readHead(checkpoint);
  const measured = await readProteins(proteinFile, proteinKey);
  const column = new Map(measured.names.map((name, p) => [name, p]));
  const proteins = info.proteins.filter((name) => column.has(name));
  if (proteins.length === 0)
    throw new DataError({
      file: proteinFile,
      key: measured.where,
      found: `none of the proteins the model was trained on (there: ${measured.names.slice(0, 3).join(', ')} …)`,
      expected: `names such as ${info.proteins.slice(0, 3).join(', ')}`,
    });
  const predicted = await predictProteins(checkpoint, executor, cells, options);
  const scaled = scaleProteins(measured.values, measured.names.length, info.scale);
  const rowOf = new Map(measured.cellIds.map((id, row) => [id, row]));
  const P = info.proteins.length;
  const rows = Array.from(cells.cellIds.keys()).filter((i) => rowOf.has(cells.cellIds[i]!) && !Number.isNaN(predicted.levels[i * P]!));
  if (rows.length < 3)
    throw new DataError({ file: proteinFile, key: measured.where, found: `${rows.length} of the cells of ${cells.path}`, expected: 'the same names of cells' });
  const at = proteins.map((name) => info.proteins.indexOf(name));
  const truth = rows.flatMap((i) => proteins.map((name) => scaled[rowOf.get(cells.cellIds[i]!)! * measured.names.length + column.get(name)!]!));
  const told = rows.flatMap((i) => at.map((p) => predicted.levels[i * P + p]!));
  const Q = proteins.length;
  const means = proteins.map((_, q) => rows.reduce((sum, _row, i) => sum + truth[i * Q + q]!, 0) / rows.length);
  return {
    ...scoreProteins(truth, told, Q),
    numCells: rows.length,
    proteins,
    missing: info.proteins.filter((name) => !column.has(name)),
    scale: info.scale,
    meanRmse: scoreProteins(
      truth,
      rows.flatMap(() => means),
      Q,
    ).proteinRmse,
    source: predicted.source,
  };
}
