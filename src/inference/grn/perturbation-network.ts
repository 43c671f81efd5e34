// R regulators, G genes
import { InterruptedError } from '../../errors.js';
import type { CellFile } from '../../data/readers/reader.js';
import { columnTexts } from '../../data/readers/column-texts.js';
import type { Executor } from '../../runtime/program/program.js';
import { readPerturbationHead } from '../../tasks/perturbation/head.js';
import { JOINT, perturbedGenes } from '../../tasks/perturbation/perturbations.js';
import { createPredictor } from '../../tasks/perturbation/predictor.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { controlCells, evenlySpaced, namingOf, type ControlCellOptions, type FileCells } from '../control-cells.js';
import { filledUp } from './filled-up.js';
import type { NetworkGenes } from './genes.js';

/** Whether a checkpoint has learned what perturbations do. */
export function isPerturbationModel({ head }: Checkpoint): boolean {
  return head?.info.task === 'perturbation';
}

export interface PerturbationNetworkOptions extends ControlCellOptions {
  /** Control cells each regulator is perturbed in, evenly spaced. */
  readonly maxCells: number;
  /** Cells computed at once. */
  readonly batchSize: number;
  readonly onRegulators?: (done: number) => void;
}

/** A network of perturbations. */
export interface PerturbationNetwork {
  /** [R, G] change of the mean expression, log1p units, towards what the regulator does: above 0 promotes. */
  readonly weights: Float64Array;
  /** Regulators that the training perturbed. */
  readonly numTrained: number;
}

/**
 * In-silico knock-outs of a model that was fine-tuned on perturbations: each regulator that the training perturbed gets the [PERT] token in turn, and what
 * the model predicts of each gene is the edge. It asks the question a network answers: of a gene that is named and in sight, what becomes of it when the
 * regulator is gone.
 *
 * Of a regulator that no training cell had perturbed such a prediction tells next to nothing of single genes (docs/results.md). Its edges are the
 * cosines of gene vectors, on the same scale (`filledUp`).
 * @param cosines [R, G] of gene vectors
 * @throws DataError when none of the cells is a control cell
 */
export async function perturbationNetwork(
  checkpoint: Checkpoint,
  executor: Executor,
  genes: NetworkGenes,
  cosines: Float64Array,
  file: CellFile,
  cells: FileCells,
  options: PerturbationNetworkOptions,
): Promise<PerturbationNetwork> {
  const predictor = await createPredictor(executor, checkpoint, { batchSize: options.batchSize });
  try {
    const { info, panel } = predictor;
    const controls = evenlySpaced(
      controlCells(cells, file, predictor, { ...options, perturbationKey: perturbationKeyOf(file, info, options) }).cells,
      options.maxCells,
    );
    const G = genes.genes.length;
    const weights = new Float64Array(genes.regulators.length * G);
    const sign = info.direction === 'knockout' ? -1 : 1;
    const perturbed = new Set(info.trained.flatMap((name) => name.split(JOINT)));
    const isTrained = genes.regulators.map((gene) => perturbed.has(genes.genes[gene]!));
    for (const [r, regulator] of genes.regulators.entries()) {
      if (isTrained[r]) {
        const name = genes.genes[regulator]!;
        const { changes } = await predictor.predict(controls, { name, parts: [name], geneIds: [genes.ids[regulator]!], direction: info.direction });
        genes.ids.forEach((id, gene) => {
          const position = panel.at[id]!;
          if (position >= 0 && gene !== regulator)
            weights[r * G + gene] = (sign * changes.reduce((sum, change) => sum + change[position]!, 0)) / changes.length;
        });
      }
      if (options.signal?.aborted)
        throw new InterruptedError({ file: file.path, found: 'interrupted while regulators were perturbed', hint: 'nothing was written' });
      options.onRegulators?.(r + 1);
    }
    return { weights: filledUp(weights, cosines, isTrained), numTrained: isTrained.filter(Boolean).length };
  } finally {
    predictor.dispose();
  }
}

/** What was done to each cell of a file that says it: index of the one regulator perturbed, -1 = control, -2 = anything else; undefined where the file does not say. */
export function touchedRegulators(
  checkpoint: Checkpoint,
  file: CellFile,
  { cells }: FileCells,
  genes: NetworkGenes,
  options: ControlCellOptions,
): { touched: Int32Array; isKnockout: boolean } | undefined {
  const { info } = readPerturbationHead(checkpoint);
  const key = perturbationKeyOf(file, info, options);
  if (key === undefined) return undefined;
  const texts = columnTexts(file.obs(key));
  const at = new Map(genes.regulators.map((gene, r) => [genes.genes[gene]!, r]));
  const naming = namingOf(options);
  const touched = Int32Array.from(cells, ({ row }) => {
    const text = texts[row];
    if (text === null || text === undefined) return -2;
    const parts = perturbedGenes(text, naming);
    return parts.length === 0 ? -1 : parts.length === 1 ? (at.get(parts[0]!) ?? -2) : -2;
  });
  return { touched, isKnockout: info.direction === 'knockout' };
}

/** The column named, else that of the training where the file has it. */
function perturbationKeyOf(file: CellFile, info: { readonly perturbationKey: string }, { perturbationKey }: ControlCellOptions): string | undefined {
  return perturbationKey ?? (file.obsKeys.includes(info.perturbationKey) ? info.perturbationKey : undefined);
}
