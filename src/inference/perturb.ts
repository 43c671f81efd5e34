// n cells, G genes of the panel
import { DataError, InterruptedError, OutputError } from '../errors.js';
import { realpath } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Rng } from '../rng.js';
import { openCellFile } from '../data/readers/open.js';
import { columnTexts } from '../data/readers/column-texts.js';
import type { CellFile } from '../data/readers/reader.js';
import { checkOutput, writeNewH5ad, type SparseRows } from '../data/writers/new-h5ad.js';
import type { SparseMatrix } from '../metrics/baselines/sparse-matrix.js';
import { evaluatePerturbations, type PerturbationResult } from '../metrics/perturbation/evaluate.js';
import type { Executor } from '../runtime/program/program.js';
import type { RankedCell } from '../tasks/perturbation/cells.js';
import { createPredictor, type ControlCell, type PerturbationPredictor } from '../tasks/perturbation/predictor.js';
import { parsePerturbation, perturbedGenes, type Direction, type Perturbation } from '../tasks/perturbation/perturbations.js';
import { denseCells } from '../tasks/perturbation/results.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { DEFAULT_BATCH_SIZE } from './cell-source.js';
import { controlCells, evenlySpaced, namingOf, readCells, type ControlCellOptions, type Controls } from './control-cells.js';
import { uniqueNames } from './generated-file.js';

export interface PerturbOptions extends ControlCellOptions {
  /** Default: what the model was trained on. */
  readonly direction?: Direction | undefined;
  /** Most control cells a perturbation is predicted from, default 200: evenly spaced ones of the file. */
  readonly maxCells?: number | undefined;
}

const DEFAULT_MAX_CELLS = 200;

/** A predicted perturbation. */
export interface PredictedPerturbation {
  readonly perturbation: Perturbation;
  /** Whether training had this very perturbation, and which of its genes it had in any. */
  readonly isTrained: boolean;
  readonly seenGenes: readonly string[];
  /** [G] predicted change of the mean, log1p units. */
  readonly meanChange: Float64Array;
  /** Predicted cells, [G] each, one for each control cell asked. */
  readonly cells: readonly Float32Array[];
}

export interface PerturbJob {
  readonly input: string;
  readonly output: string;
  /** GENE or GENE+GENE. */
  readonly perturbations: readonly string[];
  readonly version: string;
}

export interface PerturbReport {
  readonly predictions: readonly PredictedPerturbation[];
  readonly geneNames: readonly string[];
  readonly numControlCells: number;
  readonly notes: readonly string[];
}

/**
 * Predicts perturbations of the control cells of a file and writes the predicted cells to another .h5ad: X log-normalised expression over the
 * genes the model predicts, `layers['control']` the same cells before, obs `perturbation` and `source_cell`.
 * @throws DataError for a gene the model does not know and a file without control cells; CheckpointError without a perturbation head; OutputError
 */
export async function perturbFile(
  checkpoint: Checkpoint,
  executor: Executor,
  { input, output, perturbations, version }: PerturbJob,
  options: PerturbOptions = {},
): Promise<PerturbReport> {
  await checkOutput(output);
  const real = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));
  if ((await real(input)) === (await real(output)))
    throw new OutputError({ file: output, found: 'is the input file', expected: 'another one: the input is never changed', hint: 'choose another --out' });
  const file = await openCellFile(input);
  try {
    return await perturbed(checkpoint, executor, file, perturbations, options, (predictor, controls, predictions) =>
      write(output, file, predictor, controls, predictions, { version, checkpoint: basename(checkpoint.folder), source: basename(input) }),
    );
  } finally {
    file.close();
  }
}

/** As `perturbFile`, of cells that are open already; nothing is written. */
export function perturbCells(
  checkpoint: Checkpoint,
  executor: Executor,
  file: CellFile,
  perturbations: readonly string[],
  options: PerturbOptions = {},
): Promise<PerturbReport> {
  return perturbed(checkpoint, executor, file, perturbations, options, async () => {});
}

type UsePredictions = (predictor: PerturbationPredictor, controls: Controls['cells'], predictions: readonly PredictedPerturbation[]) => Promise<void>;

async function perturbed(
  checkpoint: Checkpoint,
  executor: Executor,
  file: CellFile,
  perturbations: readonly string[],
  options: PerturbOptions,
  use: UsePredictions,
): Promise<PerturbReport> {
  const predictor = await createPredictor(executor, checkpoint, { batchSize: options.batchSize ?? DEFAULT_BATCH_SIZE });
  try {
    const naming = namingOf(options);
    const wanted = perturbations.map((name) =>
      parsePerturbation(name, naming, options.direction ?? predictor.info.direction, checkpoint.vocabulary, undefined),
    );
    const read = await readCells(file, checkpoint, options);
    const controls = controlCells(read, file, predictor, options);
    const chosen = evenlySpaced(controls.cells, options.maxCells ?? DEFAULT_MAX_CELLS);
    const predictions = await predictAll(predictor, chosen, wanted, options);
    await use(predictor, chosen, predictions);
    return { predictions, geneNames: predictor.panel.names, numControlCells: controls.cells.length, notes: read.notes };
  } finally {
    predictor.dispose();
  }
}

export interface PerturbationEvaluation extends PerturbationResult {
  readonly geneNames: readonly string[];
  /** Perturbations of the file that training had, and so tell little. */
  readonly trained: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Predicts every perturbation of a file from its control cells and scores them against its perturbed cells.
 * @param options `only`: these perturbations; default: all that the training of the checkpoint did not have, or all of them when it had all
 */
export async function evaluatePerturbationFile(
  checkpoint: Checkpoint,
  executor: Executor,
  input: string,
  options: PerturbOptions & { readonly perturbationKey: string; readonly only?: readonly string[] | undefined },
  rng: Rng,
): Promise<PerturbationEvaluation> {
  const predictor = await createPredictor(executor, checkpoint, { batchSize: options.batchSize ?? DEFAULT_BATCH_SIZE });
  try {
    const { info, panel } = predictor;
    const file = await openCellFile(input);
    try {
      const read = await readCells(file, checkpoint, options);
      const controls = controlCells(read, file, predictor, options);
      const texts = columnTexts(file.obs(options.perturbationKey));
      const naming = namingOf(options, controls.name);
      const names = read.cells.map(({ row }) => (texts[row] === null ? null : perturbedGenes(texts[row]!, naming).join('+') || controls.name!));
      const inFile = [...new Set(names)].filter((name): name is string => name !== null && name !== controls.name).sort();
      const trained = inFile.filter((name) => info.trained.includes(name) || info.validation.includes(name));
      const asked = options.only?.map((name) => perturbedGenes(name, naming).join('+'));
      const missing = asked?.find((name) => !inFile.includes(name));
      if (missing !== undefined)
        throw new DataError({
          file: input,
          key: `obs['${options.perturbationKey}']`,
          found: `no cell has the perturbation '${missing}'`,
          expected: `some of ${inFile.slice(0, 8).join(', ')}${inFile.length > 8 ? ' …' : ''}`,
        });
      const wanted = asked ?? (trained.length < inFile.length ? inFile.filter((name) => !trained.includes(name)) : inFile);
      const chosen = evenlySpaced(controls.cells, options.maxCells ?? DEFAULT_MAX_CELLS);
      const predictions = await predictAll(
        predictor,
        chosen,
        wanted.map((name) => parsePerturbation(name, { ...naming, separator: '+' }, options.direction ?? info.direction, checkpoint.vocabulary, input)),
        options,
      );
      const kept = read.cells.flatMap((cell, i) => (names[i] === null ? [] : [{ ...cell, name: names[i]! }]));
      const result = evaluatePerturbations({
        real: {
          x: panelMatrix(
            kept.map(({ all }) => all),
            predictor,
          ),
          perturbations: kept.map(({ name }) => name),
        },
        predicted: denseCells(
          predictions.map(({ perturbation, cells }) => [perturbation.name, cells]),
          panel.ids.length,
        ),
        control: controls.name!,
        geneNames: panel.names,
        rng,
      });
      return { ...result, geneNames: panel.names, trained, notes: read.notes };
    } finally {
      file.close();
    }
  } finally {
    predictor.dispose();
  }
}

async function predictAll(
  predictor: PerturbationPredictor,
  controls: readonly ControlCell[],
  wanted: readonly Perturbation[],
  { progress, signal }: PerturbOptions,
): Promise<PredictedPerturbation[]> {
  const bar = progress?.start('Predict perturbations', wanted.length * controls.length, 'cells');
  const trained = [...predictor.info.trained, ...predictor.info.validation];
  const seen = new Set(predictor.info.trained.flatMap((name) => name.split('+')));
  try {
    const out: PredictedPerturbation[] = [];
    for (const [i, perturbation] of wanted.entries()) {
      const { cells, changes } = await predictor.predict(controls, perturbation, (done) => bar?.update(i * controls.length + done));
      if (signal?.aborted) throw new InterruptedError({ found: 'interrupted while perturbations were predicted', hint: 'nothing was written' });
      const meanChange = new Float64Array(predictor.panel.ids.length);
      for (const change of changes) change.forEach((value, gene) => (meanChange[gene]! += value / changes.length));
      out.push({
        perturbation,
        isTrained: trained.includes(perturbation.name),
        seenGenes: perturbation.parts.filter((part) => seen.has(part)),
        meanChange,
        cells,
      });
    }
    return out;
  } finally {
    bar?.stop();
  }
}

async function write(
  output: string,
  source: CellFile,
  { panel }: PerturbationPredictor,
  controls: Controls['cells'],
  predictions: readonly PredictedPerturbation[],
  record: { version: string; checkpoint: string; source: string },
): Promise<void> {
  const { x } = denseCells(
    predictions.map(({ perturbation, cells }) => [perturbation.name, cells]),
    panel.ids.length,
  );
  const before = panelMatrix(
    predictions.flatMap(() => controls.map(({ all }) => all)),
    { panel },
  );
  const sources = predictions.flatMap(({ perturbation }) => controls.map(({ row }) => ({ name: perturbation.name, cell: source.cellIds[row]! })));
  await writeNewH5ad({
    output,
    cellIds: uniqueNames(sources.map(({ name, cell }) => `${cell}-${name}`)),
    geneNames: uniqueNames(panel.names),
    x,
    layers: { control: before },
    obs: {
      perturbation: {
        kind: 'categorical',
        categories: predictions.map(({ perturbation }) => perturbation.name),
        codes: Int32Array.from(predictions.flatMap((_, i) => controls.map(() => i))),
      },
      source_cell: { kind: 'string', values: sources.map(({ cell }) => cell) },
    },
    uns: { scdiva: { ...record, task: 'perturb' } },
  });
}

/** Cells over the panel's genes, columns ascending in each row. */
function panelMatrix(cells: readonly RankedCell[], { panel }: Pick<PerturbationPredictor, 'panel'>): SparseMatrix & SparseRows {
  const rows = cells.map(({ geneIds, values }) =>
    Array.from(geneIds, (id, i) => ({ gene: panel.at[id]!, value: values[i]! }))
      .filter(({ gene }) => gene >= 0)
      .sort((a, b) => a.gene - b.gene),
  );
  const indptr = new Int32Array(cells.length + 1);
  rows.forEach((row, i) => (indptr[i + 1] = indptr[i]! + row.length));
  return {
    numRows: cells.length,
    numColumns: panel.ids.length,
    indptr,
    indices: Int32Array.from(rows.flatMap((row) => row.map(({ gene }) => gene))),
    values: Float32Array.from(rows.flatMap((row) => row.map(({ value }) => value))),
  };
}
