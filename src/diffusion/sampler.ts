// B cells, L gene slots a cell, V gene vocabulary
import { isGeneId, type GeneIdLayout } from '../model/gene-ids.js';
import type { Rng } from '../rng.js';
import type { SamplerConfig } from './config.js';
import type { Denoiser } from './denoiser.js';
import { drawGene } from './draw-gene.js';
import type { PartialCells } from './partial-cells.js';

/** A gene proposed for an unknown slot in one step. */
interface Proposal {
  readonly slot: number;
  readonly id: number;
  readonly value: number;
  readonly confidence: number;
}

/**
 * Fills every unknown slot by reverse diffusion. Each of `steps` steps asks the denoiser, fills an equal share of a cell's unknown slots with a
 * drawn gene and its predicted value, and lets the next step see them. No gene comes twice in a cell; known slots stay as they are.
 *
 * Masking hides every gene alike, so the order in which slots reappear is uniformly random and independent of their content: `random` is that
 * reverse process with the number of slots a step fixed to its mean. `confidence` draws a gene for every unknown slot and keeps those drawn with
 * the highest probability, which trades variety for agreement with the model.
 *
 * Values are what the value head predicts, the mean given the known genes, cut at 0: two completions differ in value through the genes
 * drawn before.
 * @param cellKeys [B] names each cell's random stream: a cell is completed alike whatever cells are beside it
 * @param onStep told after each step how many slots are still unknown
 * @returns new cells without unknown slots
 */
export async function completeCells(
  cells: PartialCells,
  denoiser: Denoiser,
  ids: GeneIdLayout,
  config: SamplerConfig,
  rng: Rng,
  cellKeys: readonly string[],
  onStep: (numUnknown: number) => void = () => {},
): Promise<PartialCells> {
  const state = { ...cells, geneIds: cells.geneIds.slice(), values: cells.values.slice(), isUnknown: cells.isUnknown.slice() };
  const isAvailable = Array.from({ length: cells.numCells }, (_, b) => availableGenes(cells, b, ids));
  // A gene drawn for two slots of a cell goes to one of them; the other waits, if need be for a step behind the last.
  for (let step = 0, unknown = unknownSlots(state); unknown.some((slots) => slots.length); step++) {
    const streams = cellKeys.map((key) => rng.fork(`${key}/step/${step}`));
    const quotas = unknown.map((slots) => Math.ceil(slots.length / Math.max(1, config.steps - step)));
    const asked = unknown.flatMap((slots, b) => (config.order === 'random' ? randomSubset(slots, quotas[b]!, streams[b]!) : slots));
    const proposals = cellKeys.map((): Proposal[] => []);
    await denoiser.predict(state, asked, (slot, logits, value) => {
      const b = Math.floor(slot / state.seqLen);
      const { id, probability } = drawGene(logits, isAvailable[b]!, config, streams[b]!);
      proposals[b]!.push({ slot, id, value: Math.max(0, value), confidence: probability });
    });
    for (const [b, proposed] of proposals.entries()) {
      proposed.sort((x, y) => y.confidence - x.confidence);
      let numLeft = quotas[b]!;
      for (const { slot, id, value } of proposed) {
        if (numLeft === 0) break;
        if (!isAvailable[b]![id]) continue;
        isAvailable[b]![id] = 0;
        state.geneIds[slot] = id;
        state.values[slot] = value;
        state.isUnknown[slot] = 0;
        numLeft--;
      }
    }
    unknown = unknownSlots(state);
    onStep(unknown.reduce((sum, slots) => sum + slots.length, 0));
  }
  return state;
}

/** Slots of each cell that are to be filled, ascending. */
function unknownSlots({ numCells, seqLen, isUnknown }: PartialCells): number[][] {
  return Array.from({ length: numCells }, (_, b) => Array.from({ length: seqLen }, (_, l) => b * seqLen + l).filter((slot) => isUnknown[slot]));
}

/** [V] 1 for genes the cell does not have yet. @throws RangeError when it has more unknown slots than there are such genes */
function availableGenes({ seqLen, geneIds, isUnknown }: PartialCells, b: number, ids: GeneIdLayout): Uint8Array {
  const isAvailable = Uint8Array.from({ length: ids.size }, (_, id) => Number(isGeneId(id, ids)));
  let numUnknown = 0;
  for (let slot = b * seqLen; slot < (b + 1) * seqLen; slot++) {
    if (isUnknown[slot]) numUnknown++;
    else isAvailable[geneIds[slot]!] = 0;
  }
  const numAvailable = isAvailable.reduce((sum, is) => sum + is, 0);
  if (numAvailable < numUnknown) throw new RangeError(`${numUnknown} slots to fill and only ${numAvailable} genes that the cell does not have`);
  return isAvailable;
}

function randomSubset(slots: readonly number[], size: number, rng: Rng): number[] {
  return [...rng.shuffle([...slots]).slice(0, size)].sort((a, b) => a - b);
}
