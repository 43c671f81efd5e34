// G genes of the panel
import { rowsOf, type PerturbationCells } from './cells.js';
import type { Perturbation } from './perturbations.js';

/** What training cells tell of each training perturbation. */
export interface TrainedEffects {
  /** [G] of each training perturbation: mean change against the control cells of its match groups. */
  readonly change: ReadonlyMap<string, Float64Array>;
  /** [G] 1 where the change is beyond chance. */
  readonly isChanged: ReadonlyMap<string, Float32Array>;
  /** [G] mean of a perturbation's cells in one match group, minus that group's control cells: `name`, `group`. */
  readonly groupChange: (name: string, group: number) => Float64Array;
}

/** A change this many standard errors from none counts as one. */
const CHANGED_Z = 3;

/** @param trained perturbations whose cells may be looked at */
export function trainedEffects(cells: PerturbationCells, trained: readonly Perturbation[]): TrainedEffects {
  const {
    panel: {
      ids: { length: G },
    },
    group,
    groupMeans,
    perturbations,
    x,
    controls,
  } = cells;
  const rows = rowsOf(cells);
  const indexOf = new Map(perturbations.map(({ name }, i) => [name, i]));
  const controlVariance = residualVariance(cells, controls);
  const change = new Map<string, Float64Array>();
  const isChanged = new Map<string, Float32Array>();
  const byGroup = new Map<string, Float64Array>();
  for (const { name } of trained) {
    const own = rows[indexOf.get(name)!]!;
    const total = new Float64Array(G);
    for (const g of new Set(own.map((row) => group[row]!))) {
      const ofGroup = own.filter((row) => group[row] === g);
      const sum = sumRows(x, ofGroup, G);
      byGroup.set(
        `${name}/${g}`,
        sum.map((v, gene) => v / ofGroup.length - groupMeans[g]![gene]!),
      );
      sum.forEach((v, gene) => (total[gene]! += v - ofGroup.length * groupMeans[g]![gene]!));
    }
    const mean = total.map((v) => v / own.length);
    const variance = residualVariance(cells, own);
    change.set(name, mean);
    isChanged.set(
      name,
      Float32Array.from(mean, (v, gene) => {
        const error = Math.sqrt(variance[gene]! / own.length + controlVariance[gene]! / controls.length);
        return error > 0 && Math.abs(v) > CHANGED_Z * error ? 1 : 0;
      }),
    );
  }
  return { change, isChanged, groupChange: (name, g) => byGroup.get(`${name}/${g}`)! };
}

function sumRows({ indptr, indices, values }: PerturbationCells['x'], rows: Int32Array, G: number): Float64Array {
  const sum = new Float64Array(G);
  for (const row of rows) for (let at = indptr[row]!; at < indptr[row + 1]!; at++) sum[indices[at]!]! += values[at]!;
  return sum;
}

/** Variance of each gene over cells. */
function residualVariance({ x, panel }: PerturbationCells, rows: Int32Array): Float64Array {
  const G = panel.ids.length;
  const mean = sumRows(x, rows, G).map((v) => v / rows.length);
  const squares = new Float64Array(G);
  for (const row of rows) for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) squares[x.indices[at]!]! += x.values[at]! ** 2;
  return squares.map((v, gene) => Math.max(0, (v / rows.length - mean[gene]! ** 2) * (rows.length / Math.max(1, rows.length - 1))));
}

/**
 * What is known of a combination's parts, gene by gene. The sum is what they do if they do not interact; the lowest and the highest of them
 * say where they can: a gene that two parts both touch, and not one that a single part touches twice as hard.
 */
export interface PartEffects {
  /** [G] sum of the known effects. */
  readonly effects: Float64Array;
  /** [G] the lowest and the highest of them; 0 where none is known. */
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
  /** Share of the parts whose effect is known. */
  readonly knownShare: number;
}

/**
 * The trained changes of a combination's parts. A perturbation is never told its own change.
 * @param isHidden parts that are kept back
 */
export function effectsOfParts(
  { parts }: Pick<Perturbation, 'parts'>,
  singles: ReadonlyMap<string, Float64Array>,
  G: number,
  isHidden: (part: string) => boolean = () => false,
): PartEffects {
  const known = parts.length > 1 ? parts.flatMap((part) => (singles.has(part) && !isHidden(part) ? [singles.get(part)!] : [])) : [];
  const over = (join: (a: number, b: number) => number): Float64Array =>
    Float64Array.from({ length: G }, (_, gene) => known.reduce((found, change) => join(found, change[gene]!), known[0]?.[gene] ?? 0));
  return {
    effects: Float64Array.from({ length: G }, (_, gene) => known.reduce((sum, change) => sum + change[gene]!, 0)),
    lowest: over(Math.min),
    highest: over(Math.max),
    knownShare: known.length / parts.length,
  };
}
