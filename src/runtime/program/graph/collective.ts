import type { Cluster } from '../../cluster/cluster.js';
import type { SumOverWorkersAttrs } from '../../ops/sum-over-workers.js';
import type { GraphBuilder, Node } from './builder.js';

/** All workers are one group. */
const GROUP_KEY = 1;

/** The graph's kernel of `sumOverWorkers`: TensorFlow's CollectiveReduceV2, which starts as soon as x is there and lets other ops run meanwhile. */
export function collectiveSum(builder: GraphBuilder, x: Node, { key, wire }: SumOverWorkersAttrs, { worldSize, hint, config }: Cluster): Node {
  const scalar = (value: number): Node => builder.constant({ dtype: 'int32', shape: [], data: Int32Array.of(value) });
  const sent = builder.cast(x, wire === 'bf16' ? 'bfloat16' : 'float32');
  const sum = builder.add('CollectiveReduceV2', [sent, scalar(worldSize), scalar(GROUP_KEY), scalar(key), []], {
    attrs: [
      { kind: 'string', name: 'merge_op', value: 'Add' },
      { kind: 'string', name: 'final_op', value: 'Id' },
      { kind: 'string', name: 'communication_hint', value: hint },
      { kind: 'float', name: 'timeout_seconds', value: config.stallSeconds },
    ],
    shapes: x.shape ? [x.shape] : [],
  }).outputs[0]!;
  return builder.cast(sum, 'float32');
}
