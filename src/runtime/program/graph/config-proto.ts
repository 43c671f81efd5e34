import type { GraphRewrites, SessionConfig } from '../config.js';
import { double, message, text, varint } from './protobuf.js';

/** Field numbers of tensorflow.ConfigProto and its parts, from TensorFlow's protocol definitions. */
const CONFIG = {
  intraOpThreads: 2,
  deviceFilters: 4,
  interOpThreads: 5,
  gpuOptions: 6,
  allowSoftPlacement: 7,
  usePerSessionThreads: 9,
  graphOptions: 10,
  experimental: 16,
} as const;
const GPU = { perProcessMemoryFraction: 1, allowGrowth: 4 } as const;
const EXPERIMENTAL = { collectiveGroupLeader: 1 } as const;
const GRAPH = { optimizerOptions: 3, placePrunedGraph: 6, rewriteOptions: 10 } as const;
const OPTIMIZER = { globalJitLevel: 5 } as const;
const REWRITER = { layout: 1, constantFolding: 3, arithmetic: 7, dependencies: 8, remapping: 14, disableMetaOptimizer: 19, commonSubgraphs: 24 } as const;
const TOGGLE = { default: 0, on: 1, off: 2, aggressive: 3 } as const;
const JIT_ON = 1;

/** What a session of one process among several is told beside its own configuration, in TensorFlow's names of processes. */
export interface GroupPlace {
  /** The devices it may place ops on: its own, so that no other process need be there for it to start. */
  readonly deviceFilter: string;
  /** Who numbers the steps and keeps the members of collective ops. */
  readonly leader: string;
}

/** A session's configuration as a serialised tensorflow.ConfigProto. */
export function encodeConfigProto(config: SessionConfig, place?: GroupPlace): Uint8Array {
  const gpu = [
    ...(config.gpuMemoryFraction === undefined ? [] : double(GPU.perProcessMemoryFraction, config.gpuMemoryFraction)),
    ...varint(GPU.allowGrowth, Number(config.gpuMemoryGrowth)),
  ];
  const graph = [
    ...message(GRAPH.optimizerOptions, config.xla ? varint(OPTIMIZER.globalJitLevel, JIT_ON) : []),
    // One graph holds every program. To place only what a run needs, not all of it again whenever a program is added, makes new
    // programs start sooner, but TensorFlow then rewrites nothing, whatever else is asked for.
    ...(config.optimizeGraph ? [] : varint(GRAPH.placePrunedGraph, 1)),
    ...message(GRAPH.rewriteOptions, config.optimizeGraph ? rewriteToggles(config.rewrites) : varint(REWRITER.disableMetaOptimizer, 1)),
  ];
  return Uint8Array.from([
    ...(config.intraOpThreads > 0 ? varint(CONFIG.intraOpThreads, config.intraOpThreads) : []),
    ...(config.interOpThreads > 0 ? [...varint(CONFIG.interOpThreads, config.interOpThreads), ...(place ? [] : varint(CONFIG.usePerSessionThreads, 1))] : []), // a server's sessions share its threads
    ...message(CONFIG.gpuOptions, gpu),
    ...varint(CONFIG.allowSoftPlacement, Number(config.softPlacement)),
    ...message(CONFIG.graphOptions, graph),
    ...(place
      ? [...text(CONFIG.deviceFilters, place.deviceFilter), ...message(CONFIG.experimental, text(EXPERIMENTAL.collectiveGroupLeader, place.leader))]
      : []),
  ]);
}

function rewriteToggles(rewrites: GraphRewrites): number[] {
  return (Object.entries(rewrites) as [keyof GraphRewrites, keyof typeof TOGGLE][]).flatMap(([name, choice]) =>
    choice === 'default' ? [] : varint(REWRITER[name], TOGGLE[choice]),
  );
}
