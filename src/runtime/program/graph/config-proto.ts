import type { GraphRewrites, SessionConfig } from '../config.js';

/** Field numbers of tensorflow.ConfigProto and its parts, from TensorFlow's protocol definitions. */
const CONFIG = { intraOpThreads: 2, interOpThreads: 5, gpuOptions: 6, allowSoftPlacement: 7, usePerSessionThreads: 9, graphOptions: 10 } as const;
const GPU = { perProcessMemoryFraction: 1, allowGrowth: 4 } as const;
const GRAPH = { optimizerOptions: 3, placePrunedGraph: 6, rewriteOptions: 10 } as const;
const OPTIMIZER = { globalJitLevel: 5 } as const;
const REWRITER = { layout: 1, constantFolding: 3, arithmetic: 7, dependencies: 8, remapping: 14, disableMetaOptimizer: 19, commonSubgraphs: 24 } as const;
const TOGGLE = { default: 0, on: 1, off: 2, aggressive: 3 } as const;
const JIT_ON = 1;

/** A session's configuration as a serialised tensorflow.ConfigProto. */
export function encodeConfigProto(config: SessionConfig): Uint8Array {
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
    ...(config.interOpThreads > 0 ? [...varint(CONFIG.interOpThreads, config.interOpThreads), ...varint(CONFIG.usePerSessionThreads, 1)] : []),
    ...message(CONFIG.gpuOptions, gpu),
    ...varint(CONFIG.allowSoftPlacement, Number(config.softPlacement)),
    ...message(CONFIG.graphOptions, graph),
  ]);
}

function rewriteToggles(rewrites: GraphRewrites): number[] {
  return (Object.entries(rewrites) as [keyof GraphRewrites, keyof typeof TOGGLE][]).flatMap(([name, choice]) => (choice === 'default' ? [] : varint(REWRITER[name], TOGGLE[choice])));
}

// Protocol buffers' wire format: a key (field number, wire type), then the value.

function varint(field: number, value: number): number[] {
  return [...base128(field << 3), ...base128(value)];
}

function double(field: number, value: number): number[] {
  return [...base128((field << 3) | 1), ...new Uint8Array(Float64Array.of(value).buffer)];
}

function message(field: number, content: readonly number[]): number[] {
  return content.length === 0 ? [] : [...base128((field << 3) | 2), ...base128(content.length), ...content];
}

function base128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}
