// n points of d dimensions
import { availableParallelism } from 'node:os';
import usearch from 'usearch';
import type { Neighbours } from './neighbours.js';

export interface IndexOptions {
  /** Links of a point. */
  readonly connectivity?: number;
  /**
   * Candidates kept while building, and while searching: more finds more of the true neighbours and takes longer. Building takes most of the time,
   * and searching widely makes up for a graph built quickly.
   */
  readonly expansion?: number;
  readonly searchExpansion?: number;
}

interface SearchResult {
  /** [rows, k] */
  readonly keys: BigUint64Array;
  /** [rows, k] squared. */
  readonly distances: Float32Array;
}

/**
 * Points and the search for the nearest of them by Euclidean distance, in a hierarchical navigable small-world graph (Malkov & Yashunin 2018, the
 * usearch library). One thread builds the graph, so that the same points give the same neighbours; all search it.
 */
export class NeighbourIndex {
  private numPoints: number;

  private constructor(
    private readonly index: InstanceType<typeof usearch.Index>,
    private readonly d: number,
  ) {
    this.numPoints = Number(index.size());
  }

  /** @param options k: most neighbours that will be asked for */
  static create(d: number, options: IndexOptions & { readonly k?: number } = {}): NeighbourIndex {
    return new NeighbourIndex(emptyIndex(d, options), d);
  }

  /**
   * An index that was saved, left on disk: what a search touches is read, and memory holds of it what the system likes to keep.
   * @throws Error where the file is no index, or one of other dimensions
   */
  static view(path: string, d: number, options: IndexOptions & { readonly k?: number } = {}): NeighbourIndex {
    const index = emptyIndex(d, options);
    index.view(path);
    const its = Number(index.dimensions());
    if (its !== d) throw new Error(`${path} is an index of ${its} dimensions, not ${d}`);
    return new NeighbourIndex(index, d);
  }

  get size(): number {
    return this.numPoints;
  }

  /** @param points [rows, d]: the next numbers are theirs */
  add(points: Float32Array): void {
    const numThreads = availableParallelism();
    // Handed over one by one, points are added by one thread; the library makes room for as many threads as it is told of here.
    for (let row = 0; row < points.length / this.d; row++)
      this.index.add(BigUint64Array.of(BigInt(this.numPoints++)), points.subarray(row * this.d, (row + 1) * this.d), numThreads);
  }

  /**
   * @param queries [rows, d]
   * @param k at most the points there are
   * @returns indices and distances [rows, k], nearest first
   */
  search(queries: Float32Array, k: number): Neighbours {
    const found = this.index.search(queries, k, availableParallelism()) as unknown as SearchResult;
    return {
      numCells: queries.length / this.d,
      k,
      indices: Int32Array.from(found.keys, Number),
      distances: Float64Array.from(found.distances, (squared) => Math.sqrt(Math.max(0, squared))),
    };
  }

  save(path: string): void {
    this.index.save(path);
  }
}

function emptyIndex(
  d: number,
  { connectivity = 16, expansion = 64, searchExpansion = 128, k = 1 }: IndexOptions & { readonly k?: number },
): InstanceType<typeof usearch.Index> {
  return new usearch.Index({
    dimensions: d,
    metric: usearch.MetricKind.L2sq,
    quantization: usearch.ScalarKind.F32,
    connectivity,
    expansion_add: expansion,
    expansion_search: Math.max(searchExpansion, k),
    multi: false,
  });
}
