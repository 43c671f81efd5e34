import { meanOfNumbers } from '../correlation.js';
import type { Neighbours } from '../neighbours.js';
import { components, neighbourGraph, subgraph } from './cell-graph.js';
import { cellsByCode, countCodes } from './labels.js';

/**
 * Mean over labels of the share of the label's cells that its largest component holds, in the graph of directed neighbours among them, components
 * being strongly connected (scib-metrics): 0 … 1, higher is better.
 */
export function graphConnectivity(neighbours: Neighbours, labels: ArrayLike<number>): number {
  const graph = neighbourGraph(neighbours);
  const cells = cellsByCode(labels, countCodes(labels, neighbours.numCells)).filter((group) => group.length > 0);
  return meanOfNumbers(cells.map((group) => components(subgraph(graph, group)).sizes.reduce((a, b) => Math.max(a, b), 0) / group.length));
}
