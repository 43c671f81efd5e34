// R regulators, G genes
import { spearman } from '../../metrics/correlation.js';
import {
  edgeScores,
  networkScores,
  pairUniverse,
  randomNetworkScores,
  signedScores,
  type Edge,
  type NetworkScores,
  type PairUniverse,
  type SignedScores,
} from '../../metrics/gene-network.js';
import { Rng } from '../../rng.js';
import { meanOfScaled } from './attention-network.js';
import type { NetworkGenes } from './genes.js';
import { combine, NETWORK_METHODS, type InferredNetworks, type NetworkMethod } from './infer.js';

export interface ScoredNetwork {
  readonly name: string;
  readonly scores: NetworkScores;
  readonly reversed: NetworkScores;
  readonly signed?: SignedScores;
}

export interface NetworkComparison {
  /** Networks of all models together, simple ones, chance and single heads. */
  readonly methods: readonly ScoredNetwork[];
  readonly numTrue: number;
  readonly numPairs: number;
  /** By method, each model alone. */
  readonly perModel: Readonly<Record<string, NetworkScores[]>>;
}

/** Every network against the true edges, beside simple ones and chance. @param truth sign in weight where known */
export function scoreNetworks(
  networks: readonly InferredNetworks[],
  truth: readonly Edge[],
  regulators: readonly string[] | undefined,
  seed: number,
): NetworkComparison {
  const [{ genes, baselines, attention }] = networks as [InferredNetworks];
  const universe = pairUniverse(truth, regulators);
  const hasSigns = truth.some(({ weight = 0 }) => weight !== 0);
  const score = (name: string, weights: Float64Array, isSigned: boolean): ScoredNetwork => {
    const forward = edgeScores(universe, edges(weights, genes));
    return {
      name,
      scores: networkScores(universe, forward.scores),
      reversed: networkScores(universe, edgeScores(universe, edges(weights, genes), { isReversed: true }).scores),
      ...(hasSigns && isSigned && { signed: signedScores(universe, forward.weights) }),
    };
  };
  const methods = methodsOf(networks);
  const chance = randomNetworkScores(universe, Rng.fromSeed(seed).fork('random'));
  return {
    methods: [
      ...methods.map((method) => score(method, edgeWeights(method, combine(networks, method)), method !== 'attention')),
      ...(attention
        ? [score('attention, uncorrected', edgeWeights('attention', meanOfScaled(networks.map(({ uncorrected }) => uncorrected!.mean))), false)]
        : []),
      ...[...baselines].map(([name, weights]) => score(name, weights, true)),
      { name: 'random', scores: chance, reversed: chance },
      ...(attention?.heads ?? []).map(({ layer, head, weights }) => score(`layer ${layer + 1}, head ${head + 1}`, edgeWeights('attention', weights), false)),
    ],
    numTrue: universe.numTrue,
    numPairs: universe.numPairs,
    perModel: Object.fromEntries(methods.map((method) => [method, networks.map((network) => scoreOne(universe, method, network))])),
  };
}

/** Agreement of the networks of several models: mean Spearman correlation of |weights| over their pairs; undefined for one model. */
export function stability(networks: readonly InferredNetworks[], method: NetworkMethod): number | undefined {
  const strengths = networks.map(({ weights }) => weights[method]!.map(Math.abs));
  const pairs = strengths.flatMap((a, i) => strengths.slice(i + 1).map((b) => spearman(a, b)));
  return pairs.length > 0 ? pairs.reduce((sum, r) => sum + r, 0) / pairs.length : undefined;
}

/** The methods that every model was asked for. */
export function methodsOf(networks: readonly InferredNetworks[]): NetworkMethod[] {
  return NETWORK_METHODS.filter((method) => networks.every(({ weights }) => weights[method]));
}

function scoreOne(universe: PairUniverse, method: NetworkMethod, { weights, genes }: InferredNetworks): NetworkScores {
  return networkScores(universe, edgeScores(universe, edges(edgeWeights(method, weights[method]!), genes)).scores);
}

/** Scores take |weight|, and attention below expectation is no edge. */
function edgeWeights(method: NetworkMethod, weights: Float64Array): Float64Array {
  return method === 'attention' ? weights.map((w) => Math.max(0, w)) : weights;
}

function* edges(weights: Float64Array, { genes, regulators }: NetworkGenes): Generator<Edge> {
  const G = genes.length;
  for (let at = 0; at < weights.length; at++)
    if (weights[at] !== 0) yield { regulator: genes[regulators[Math.floor(at / G)]!]!, target: genes[at % G]!, weight: weights[at]! };
}
