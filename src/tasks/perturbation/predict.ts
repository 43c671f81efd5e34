// B examples, L genes in context, G genes of the panel
import type { HostTensors } from '../../runtime/program/program.js';
import type { Panel, RankedCell } from './cells.js';
import { changedValue } from './change.js';
import type { PartEffects } from './effects.js';
import { contextOrder, coverPanel, exampleInputs, positionsByMean, type Example } from './examples.js';
import type { Perturbation } from './perturbations.js';

/** A control cell that is to be perturbed. */
export interface Question extends PartEffects {
  readonly control: RankedCell;
  readonly perturbation: Perturbation;
  /** [G] mean of the control cells it stands for. */
  readonly reference: Float64Array;
}

export interface AskOptions {
  readonly panel: Panel;
  /** Most genes in a context. */
  readonly contextGenes: number;
  /** P, most perturbed genes. */
  readonly numSlots: number;
  readonly padId: number;
  readonly batchSize: number;
  /** Runs `predictedChange`. @returns [B, L] */
  readonly run: (inputs: HostTensors) => Promise<Float32Array>;
  readonly onCells?: (done: number) => void;
}

/**
 * Predicted change of every gene of the panel, for every question. A panel larger than the context is shown in parts, so that every gene is
 * predicted once from every cell; what is not in the panel is not predicted to change.
 * @returns [G] each
 */
export async function predictChanges(
  questions: readonly Question[],
  { panel, contextGenes, numSlots, padId, batchSize, run, onCells }: AskOptions,
): Promise<Float32Array[]> {
  const seqLen = Math.min(contextGenes, panel.ids.length);
  const changes = questions.map(() => new Float32Array(panel.ids.length));
  const orders = new Map<Float64Array, Int32Array>();
  let pending: { example: Example; question: number }[] = [];
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    // Filled up with copies: batches of one shape are compiled once.
    const examples = Array.from({ length: batchSize }, (_, b) => (pending[b] ?? pending.at(-1)!).example);
    const out = await run(exampleInputs(examples, seqLen, numSlots, panel, padId));
    pending.forEach(({ example, question }, b) => example.context.forEach((position, l) => (changes[question]![position] = out[b * seqLen + l]!)));
    pending = [];
  };
  for (const [question, asked] of questions.entries()) {
    const { control, perturbation, reference } = asked;
    if (!orders.has(reference)) orders.set(reference, positionsByMean(reference));
    for (const context of coverPanel(contextOrder(control, panel, orders.get(reference)!), seqLen, perturbation, panel)) {
      pending.push({ example: { ...asked, context }, question });
      if (pending.length === batchSize) await flush();
    }
    onCells?.(question + 1);
  }
  await flush();
  return changes;
}

/**
 * Control cells after their predicted changes. Their mean is exactly the reference plus the mean change (where that is not below zero), whichever
 * control cells were asked: which of them were drawn is no effect of the perturbation.
 * @param questions of one perturbation
 * @param changes [G] each
 * @returns [G] expression each, log1p, ≥ 0
 */
export function perturbedCells(questions: readonly Question[], changes: readonly Float32Array[], panel: Panel): Float32Array[] {
  const G = panel.ids.length;
  const cells = questions.map(({ control }) => {
    const values = new Float32Array(G);
    control.geneIds.forEach((id, i) => panel.at[id]! >= 0 && (values[panel.at[id]!] = control.values[i]!));
    return values;
  });
  for (const reference of new Set(questions.map((question) => question.reference))) {
    const members = cells.filter((_, i) => questions[i]!.reference === reference);
    const mean = new Float64Array(G);
    for (const values of members) values.forEach((value, gene) => (mean[gene]! += value / members.length));
    cells.forEach((values, i) => {
      if (questions[i]!.reference !== reference) return;
      for (let gene = 0; gene < G; gene++) values[gene] = changedValue(values[gene]!, mean[gene]!, reference[gene]! + changes[i]![gene]! - mean[gene]!);
    });
  }
  return cells;
}
