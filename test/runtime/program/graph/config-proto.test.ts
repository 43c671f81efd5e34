import { describe, expect, it } from 'vitest';
import { GraphRewrites, SessionConfig } from '../../../../src/runtime/program/config.js';
import { encodeConfigProto } from '../../../../src/runtime/program/graph/config-proto.js';

const encode = (config: Partial<SessionConfig>): string => Buffer.from(encodeConfigProto(SessionConfig.parse(config))).toString('hex');

// Expected bytes by hand, from the field numbers of tensorflow/core/protobuf/config.proto and the wire format: key = number · 8 + type.
describe('a session configuration on the wire', () => {
  it('is the defaults', () => {
    // gpu_options { allow_growth: true } allow_soft_placement: true graph_options { }
    expect(encode({})).toBe('32022001' + '3801');
  });

  it('carries threads, GPU share, XLA and the optimiser switch', () => {
    // inter_op_parallelism_threads: 300 use_per_session_threads: true gpu_options { per_process_gpu_memory_fraction: 0.5 allow_growth: false }
    // graph_options { optimizer_options { global_jit_level: ON_1 } place_pruned_graph: true rewrite_options { disable_meta_optimizer: true } }
    expect(encode({ interOpThreads: 300, gpuMemoryFraction: 0.5, gpuMemoryGrowth: false, softPlacement: false, xla: true, optimizeGraph: false })).toBe(
      '28ac02' + '4801' + '320b09000000000000e03f2000' + '3800' + '520b' + '1a022801' + '3001' + '5203980101',
    );
  });

  it('carries the threads of an op, and single rewrites', () => {
    // intra_op_parallelism_threads: 3 … graph_options { rewrite_options { constant_folding: OFF arithmetic_optimization: AGGRESSIVE } }
    expect(encode({ intraOpThreads: 3, rewrites: GraphRewrites.parse({ constantFolding: 'off', arithmetic: 'aggressive' }) })).toBe(
      '1003' + '32022001' + '3801' + '5206' + '5204' + '1802' + '3803',
    );
    // layout_optimizer: ON remapping: OFF dependency_optimization: OFF common_subgraph_elimination: OFF
    expect(encode({ rewrites: GraphRewrites.parse({ remapping: 'off', layout: 'on', dependencies: 'off', commonSubgraphs: 'off' }) })).toMatch(
      /^320220013801520b5209(?=.*7002)(?=.*0801)(?=.*4002)(?=.*c00102).{18}$/,
    );
  });
});
