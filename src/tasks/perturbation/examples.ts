// B examples, L genes in context, P perturbed genes at most, G genes of the panel
import type { HostTensor } from '../../runtime/program/program.js';
import type { Rng } from '../../rng.js';
import type { Panel, RankedCell } from './cells.js';
import type { PartEffects } from './effects.js';
import type { PerturbationInputs } from './model.js';
import { DIRECTIONS, type Perturbation } from './perturbations.js';

/** One control cell, what is done to it, and the genes it shows. */
export interface Example extends PartEffects {
  readonly control: RankedCell;
  readonly perturbation: Perturbation;
  /** [G] mean of the control cells. */
  readonly reference: Float64Array;
  /** Panel positions of the genes in context, in the order they are shown. */
  readonly context: Int32Array;
}

/** Order in which a cell shows the panel: what it expresses best-ranked first, as in pretraining, then the rest, by the control's mean. */
export function contextOrder({ geneIds }: RankedCell, panel: Panel, byMean: Int32Array): Int32Array {
  const order = new Int32Array(panel.ids.length);
  const isTaken = new Uint8Array(panel.ids.length);
  let n = 0;
  for (const id of geneIds) {
    const position = panel.at[id]!;
    if (position < 0) continue;
    order[n++] = position;
    isTaken[position] = 1;
  }
  for (const position of byMean) if (!isTaken[position]) order[n++] = position;
  return order;
}

/** Panel positions, largest mean first. */
export function positionsByMean(mean: Float64Array): Int32Array {
  return Int32Array.from(mean.keys()).sort((a, b) => mean[b]! - mean[a]! || a - b);
}

/** Positions in the panel of the perturbed genes that are in it. */
function perturbedPositions({ geneIds }: Perturbation, panel: Panel): number[] {
  return geneIds.map((id) => panel.at[id]!).filter((position) => position >= 0);
}

/** A random part of the panel, in its order; the perturbed genes are always among it. */
export function sampleContext(order: Int32Array, size: number, perturbation: Perturbation, panel: Panel, rng: Rng): Int32Array {
  if (order.length <= size) return order;
  const isChosen = new Uint8Array(order.length);
  let n = 0;
  for (const position of perturbedPositions(perturbation, panel)) n += isChosen[position] ? 0 : (isChosen[position] = 1);
  for (const position of rng.permutation(order.length)) {
    if (n >= size) break;
    if (!isChosen[position]) n += isChosen[position] = 1;
  }
  return order.filter((position) => isChosen[position]);
}

/** The whole panel in as few contexts as hold it, ranks spread evenly; every gene is in exactly one, the perturbed ones in all. */
export function coverPanel(order: Int32Array, size: number, perturbation: Perturbation, panel: Panel): Int32Array[] {
  const always = new Set(perturbedPositions(perturbation, panel));
  const numParts = order.length <= size ? 1 : Math.ceil((order.length - always.size) / Math.max(1, size - always.size));
  const others = new Map(
    Array.from(order)
      .filter((position) => !always.has(position))
      .map((position, i) => [position, i]),
  );
  return Array.from({ length: numParts }, (_, part) => order.filter((position) => always.has(position) || others.get(position)! % numParts === part));
}

/**
 * @param seqLen L, at least the longest context
 * @param numSlots P, at least the most perturbed genes
 */
export function exampleInputs(examples: readonly Example[], seqLen: number, numSlots: number, panel: Panel, padId: number): PerturbationInputs {
  const B = examples.length;
  const geneIds = new Int32Array(B * seqLen).fill(padId);
  const [values, reference, effects, lowest, highest] = Array.from({ length: 5 }, () => new Float32Array(B * seqLen)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const perturbedIds = new Int32Array(B * numSlots).fill(padId);
  const directions = new Int32Array(B * numSlots);
  const valueOf = new Float32Array(panel.ids.length);
  examples.forEach((example, b) => {
    const { control, perturbation, context } = example;
    control.geneIds.forEach((id, i) => panel.at[id]! >= 0 && (valueOf[panel.at[id]!] = control.values[i]!));
    context.forEach((position, l) => {
      const at = b * seqLen + l;
      geneIds[at] = panel.ids[position]!;
      values[at] = valueOf[position]!;
      reference[at] = example.reference[position]!;
      effects[at] = example.effects[position]!;
      lowest[at] = example.lowest[position]!;
      highest[at] = example.highest[position]!;
    });
    perturbation.geneIds.forEach((id, i) => (perturbedIds[b * numSlots + i] = id));
    directions.fill(DIRECTIONS.indexOf(perturbation.direction), b * numSlots, (b + 1) * numSlots);
    control.geneIds.forEach((id) => panel.at[id]! >= 0 && (valueOf[panel.at[id]!] = 0));
  });
  const cells = (data: Float32Array | Int32Array, width: number): HostTensor => ({
    dtype: data instanceof Int32Array ? 'int32' : 'float32',
    shape: [B, width],
    data,
  });
  return {
    geneIds: cells(geneIds, seqLen),
    values: cells(values, seqLen),
    reference: cells(reference, seqLen),
    effects: cells(effects, seqLen),
    lowest: cells(lowest, seqLen),
    highest: cells(highest, seqLen),
    perturbedIds: cells(perturbedIds, numSlots),
    directions: cells(directions, numSlots),
    knownShare: { dtype: 'float32', shape: [B], data: Float32Array.from(examples, (example) => example.knownShare) },
  };
}
