import { describe, expect, it } from 'vitest';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';
import { loadKernels } from '../../src/runtime/kernels/load.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import { gradients } from '../../src/runtime/program/gradients.js';
import type { GraphExecutor } from '../../src/runtime/program/graph/executor.js';
import { GraphBuilder, type Node } from '../../src/runtime/program/graph/builder.js';
import { flopOf } from '../../src/runtime/program/graph/product.js';
import { imagineTask } from '../../src/plan/imagined-task.js';
import { stepCost } from '../../src/plan/scale/step-cost.js';
import { Rng } from '../../src/rng.js';
import { PretrainingConfig } from '../../src/tasks/pretraining/config.js';

useTensorFlow();

const BYTES: Record<Node['dtype'], number> = { float32: 4, bfloat16: 2, int32: 4, bool: 1, uint8: 1, other: 0 };
/** Ops that copy nothing. */
const FREE = new Set([
  'Reshape',
  'Identity',
  'ReadVariableOp',
  'Const',
  'Placeholder',
  'VarHandleOp',
  'NoOp',
  'Shape',
  'ExpandDims',
  'Squeeze',
  'AssignVariableOp',
]);
const UNCOUNTED = new Set(['Const', 'Placeholder', 'VarHandleOp', 'ReadVariableOp', 'Reshape', 'Identity']);

interface Asked {
  readonly model?: Partial<PretrainingConfig['model']>;
  readonly numCells?: number;
  readonly seqLen?: number;
  readonly numGenes?: number;
  readonly precision?: 'f32' | 'bf16';
  readonly recomputesBlocks?: boolean;
  readonly isFused?: boolean;
}

/** A model's graph, forward and backward, counted op by op, and what the formulas say of it. */
async function bothWays({ model, numCells = 2, seqLen = 127, numGenes = 500, precision = 'bf16', recomputesBlocks = false, isFused = false }: Asked) {
  const config = PretrainingConfig.parse({
    data: { corpus: 'none' },
    model: { hiddenDim: 64, numHeads: 4, numLayers: 3, ffnDim: 128, maxGenes: seqLen, ...model },
    train: { steps: 1, batchSize: numCells, precision, gradientCheckpointing: recomputesBlocks },
  });
  const { task, batch } = imagineTask({
    training: { task: 'pretraining', config },
    model: config.model,
    numGenes,
    numClasses: 0,
    numCells,
    lengths: [{ seqLen, share: 1 }],
    goal: 'time',
  });
  if (isFused) await loadKernels();
  const executor = (await createExecutor({ kind: 'graph', session: { fusedKernels: isFused } })) as GraphExecutor;
  const variables = await executor.createVariables(task.parameters);
  const inputs = task.inputs(batch(seqLen), Rng.fromSeed(1), 'train');
  const counted = { flop: 0, trafficBytes: 0, numOps: 0 };
  const add = GraphBuilder.prototype.add;
  GraphBuilder.prototype.add = function (type, operands, options) {
    const added = add.call(this, type, operands, options);
    const sizeOf = ({ shape, dtype }: Node): number => (shape ? shape.reduce((size, n) => size * n, BYTES[dtype]) : 0);
    if (!FREE.has(type) && !/MatMul/.test(type))
      counted.trafficBytes += [...(operands.flat() as Node[]), ...added.outputs].reduce((sum, node) => sum + sizeOf(node), 0);
    if (!UNCOUNTED.has(type)) counted.numOps += 1;
    return added;
  };
  try {
    const step = executor.compile((state, fed) => ({ outputs: gradients((at) => task.loss({ ...state, ...at }, fed, { isTraining: true }), state).grads }), {
      variables,
      precision,
    });
    step.trace(inputs);
  } finally {
    GraphBuilder.prototype.add = add;
  }
  for (const [name, product] of executor.products) if (/MatMul/.test(name)) counted.flop += flopOf(product);
  executor.dispose();
  const numLossRows = inputs['lossPositions']!.shape[0]!;
  return { counted, reckoned: stepCost({ model: config.model, vocabSize: numGenes + 5, numCells, seqLen, numLossRows, precision, recomputesBlocks, isFused }) };
}

describe.runIf(hasNative)('the cost of a step by formula', () => {
  const shapes: [string, Asked][] = [
    ['as a GPU gets it', {}],
    ['deeper, blocks computed anew', { model: { numLayers: 6 }, recomputesBlocks: true }],
    ['in f32', { precision: 'f32' }],
    ['without dropout', { model: { dropout: 0 } }],
    ['with attention in pieces', { seqLen: 1500, numCells: 4 }],
    ['fused', { isFused: true }],
    ['fused, in f32', { isFused: true, precision: 'f32' }],
    ['fused, blocks computed anew', { isFused: true, model: { numLayers: 6 }, recomputesBlocks: true }],
  ];

  it.each(shapes)('is what its graph comes to: %s', async (_, asked) => {
    const { counted, reckoned } = await bothWays(asked);
    expect(Math.abs(reckoned.flop / counted.flop - 1)).toBeLessThan(0.005);
    expect(Math.abs(reckoned.trafficBytes / counted.trafficBytes - 1)).toBeLessThan(0.2);
    expect(Math.abs(reckoned.numOps / counted.numOps - 1)).toBeLessThan(0.2);
  });
});
