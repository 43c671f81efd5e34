import { meanOfNumbers, spearman } from '../../metrics/correlation.js';
import type { GroupGraph } from '../../metrics/trajectory/group-graph.js';
import { straightPseudotime, type Pseudotime } from '../../metrics/trajectory/pseudotime.js';
import type { TrajectoryMap } from '../../report/figures/trajectory-map.js';
import type { Rng } from '../../rng.js';
import { firstComponent } from './first-component.js';
import type { TrajectoryCells } from './read.js';

/** Cells that a picture shows, drawn at random. */
const MAX_DRAWN = 4000;

/** Of cells that have a pseudotime. */
const timedCells = ({ values }: Pseudotime): number[] => [...values.keys()].filter((i) => Number.isFinite(values[i]));

/** Each group's cells and mean pseudotime, earliest first; groups without any last. */
export function groupTimes({ groupNames, groups }: TrajectoryCells, found: Pseudotime) {
  const timed = timedCells(found);
  return groupNames
    .map((name, code) => {
      const own = timed.filter((i) => groups[i] === code).map((i) => found.values[i]!);
      const meanTime = meanOfNumbers(own);
      return {
        name,
        numCells: groups.filter((group) => group === code).length,
        meanTime,
        spread: Math.sqrt(meanOfNumbers(own.map((time) => (time - meanTime) ** 2))),
      };
    })
    .sort((a, b) => (Number.isNaN(a.meanTime) ? 1 : Number.isNaN(b.meanTime) ? -1 : a.meanTime - b.meanTime));
}

/** Every pair of groups with an edge between them. */
export function groupEdges({ numGroups: G, connectivities, tree }: GroupGraph): TrajectoryMap['edges'] {
  const isOfTree = new Set(tree.map(String));
  return Array.from({ length: G * G }, (_, at) => ({
    a: Math.floor(at / G),
    b: at % G,
    connectivity: connectivities[at]!,
    isOfTree: isOfTree.has(`${Math.floor(at / G)},${at % G}`),
  })).filter(({ a, b, connectivity }) => a < b && connectivity > 0);
}

export interface TimeAgreement {
  readonly numCells: number;
  readonly spearman: number;
  /** Of the distance from the root along the first principal component of the same coordinates. */
  readonly spearmanPca: number;
}

/** How well pseudotime follows a known time, beside a straight line; undefined where none is known. */
export function timeAgreement({ points, times }: TrajectoryCells, found: Pseudotime, rng: Rng): TimeAgreement | undefined {
  if (!times) return undefined;
  const straight = straightPseudotime(firstComponent(points, rng), found.root);
  const both = timedCells(found).filter((i) => Number.isFinite(times[i]));
  const pick = (values: ArrayLike<number>): number[] => both.map((i) => values[i]!);
  return { numCells: both.length, spearman: spearman(pick(found.values), pick(times)), spearmanPca: spearman(pick(straight), pick(times)) };
}

/** Cells on the second and third diffusion component (the first tells of density alone), groups in their middles. */
export function trajectoryMap({ groupNames, groups }: TrajectoryCells, found: Pseudotime, edges: TrajectoryMap['edges'], rng: Rng): TrajectoryMap {
  const { diffusion, rowOf, values } = found;
  const timed = timedCells(found);
  const at = (i: number, axis: 1 | 2): number => diffusion.data[rowOf[i]! * diffusion.numColumns + Math.min(axis, diffusion.numColumns - 1)]!;
  const drawn = [...rng.permutation(timed.length)]
    .slice(0, MAX_DRAWN)
    .map((i) => timed[i]!)
    .sort((a, b) => a - b);
  const middles = groupNames.map((name, code) => {
    const own = timed.filter((i) => groups[i] === code);
    return { name, numCells: own.length, x: meanOfNumbers(own.map((i) => at(i, 1))), y: meanOfNumbers(own.map((i) => at(i, 2))) };
  });
  // A group without pseudotime has no place: it is not drawn, and edges are counted anew.
  const place = new Map(middles.flatMap((group, code) => (group.numCells > 0 ? [code] : [])).map((code, i) => [code, i]));
  return {
    x: drawn.map((i) => at(i, 1)),
    y: drawn.map((i) => at(i, 2)),
    time: drawn.map((i) => values[i]!),
    groups: middles.filter(({ numCells }) => numCells > 0),
    edges: edges.filter(({ a, b }) => place.has(a) && place.has(b)).map((edge) => ({ ...edge, a: place.get(edge.a)!, b: place.get(edge.b)! })),
    method: 'diffusion component',
  };
}
