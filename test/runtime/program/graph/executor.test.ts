import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { hasNative, useTensorFlow } from '../../../support/tensorflow.js';
import { createEagerExecutor } from '../../../../src/runtime/program/eager.js';
import { gradients } from '../../../../src/runtime/program/gradients.js';
import { graphBackend } from '../../../../src/runtime/program/graph/backend.js';
import { createGraphExecutor } from '../../../../src/runtime/program/graph/executor.js';
import { toChromeTrace } from '../../../../src/runtime/program/graph/profile.js';
import type { Executor, HostTensor, HostTensors, ProgramFn, Tensors } from '../../../../src/runtime/program/program.js';
import { Rng } from '../../../../src/rng.js';

useTensorFlow();

const rng = Rng.fromSeed(7);
const normal = (...shape: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
});
const ints = (shape: number[], below: number): HostTensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.int(below)),
});
const scalar = (value: number): HostTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });

function worst(actual: HostTensors, expected: HostTensors): number {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  let gap = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(expected)) {
    expect(actual[name]!.dtype).toBe(dtype);
    expect(actual[name]!.shape).toEqual([...shape]);
    data.forEach((value, i) => {
      const difference = Math.abs(actual[name]!.data[i]! - value) / Math.max(1, Math.abs(value));
      gap = Number.isNaN(difference) ? Infinity : Math.max(gap, difference);
    });
  }
  return gap;
}

// B cells, L genes, D hidden, V vocabulary
/** A small attention model over embedded genes: gather, products in 2-D and batched, softmax, norm, select, concat, split. */
const loss = (p: Tensors, { ids, values, isValid }: Tensors) => {
  const [B, L] = ids!.shape as [number, number];
  const D = p['embedding']!.shape[1]!;
  const x = tf.add(tf.gather(p['embedding']!, ids as tf.Tensor2D), tf.mul(tf.expandDims(values!, -1), p['scale']!)); // [B, L, D]
  const normed = tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)));
  const [q, k, v] = tf.split(tf.reshape(tf.matMul(tf.reshape(normed, [B * L, D]), p['qkv'] as tf.Tensor2D), [B, L, 3 * D]), 3, -1) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ]; // [B, L, D] each
  const bias = tf.where(tf.cast(tf.expandDims(isValid!, 1), 'bool'), tf.zeros([B, 1, L]), tf.fill([B, 1, L], -1e9)); // [B, 1, L]
  const attended = tf.matMul(tf.softmax(tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(D)), bias)), v); // [B, L, D]
  const both = tf.concat([attended, tf.relu(x)], -1); // [B, L, 2D]
  const logits = tf.matMul(tf.reshape(both, [B * L, 2 * D]), p['head'] as tf.Tensor2D); // [B L, V]
  const target = tf.reshape(ids!, [B * L]);
  const nll = tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(target as tf.Tensor1D, logits.shape[1]!)), -1)));
  return { loss: nll as tf.Scalar, aux: { logits, top: tf.argMax(logits, -1) as tf.Tensor } };
};
const gradientFn: ProgramFn = (p, inputs) => {
  const { loss: value, aux, grads } = gradients((at) => loss(at, inputs), p);
  return { outputs: { value, ...aux, ...Object.fromEntries(Object.entries(grads).map(([name, grad]) => [`grad.${name}`, grad])) } };
};
/** AdamW as plain ops: parameters p, moments m.p and v.p, a step counter. */
const adamW: ProgramFn = (variables, inputs) => {
  const names = Object.keys(variables).filter((name) => !/^[mv]\.|^step$/.test(name));
  const { loss: value, grads } = gradients((at) => loss(at, inputs), Object.fromEntries(names.map((name) => [name, variables[name]!])));
  const step = tf.add(variables['step']!, 1);
  const updates: Record<string, tf.Tensor> = { step };
  for (const name of names) {
    const m = tf.add(tf.mul(variables[`m.${name}`]!, 0.9), tf.mul(grads[name]!, 0.1));
    const v = tf.add(tf.mul(variables[`v.${name}`]!, 0.99), tf.mul(tf.square(grads[name]!), 0.01));
    const hat = tf.div(tf.div(m, tf.sub(1, tf.pow(0.9, step))), tf.add(tf.sqrt(tf.div(v, tf.sub(1, tf.pow(0.99, step)))), 1e-3));
    updates[name] = tf.sub(tf.mul(variables[name]!, 1 - 0.01 * 0.1), tf.mul(hat, inputs['lr']!));
    updates[`m.${name}`] = m;
    updates[`v.${name}`] = v;
  }
  return { outputs: { value }, updates };
};

const parameters = (): HostTensors => ({ embedding: normal(11, 6), scale: normal(6), qkv: normal(6, 18), head: normal(12, 11) });
const batch = (B: number, L: number): HostTensors => ({
  ids: ints([B, L], 11),
  values: normal(B, L),
  isValid: { dtype: 'bool', shape: [B, L], data: Uint8Array.from({ length: B * L }, (_, i) => Number(i % L < L - 1)) },
});

describe.runIf(hasNative)('the graph executor', () => {
  let graph: Executor;
  const eager = createEagerExecutor();
  beforeAll(() => {
    graph = createGraphExecutor();
  });
  afterAll(() => graph.dispose());

  const onBoth = async (fn: ProgramFn, initial: HostTensors, runs: HostTensors[]) => {
    const results = [];
    for (const executor of [eager, graph]) {
      const variables = await executor.createVariables(initial);
      const program = executor.compile(fn, { variables });
      const outputs: HostTensors[] = [];
      for (const inputs of runs) outputs.push(await program.run(inputs));
      results.push({ outputs, state: await variables.read() });
      variables.dispose();
    }
    return { eager: results[0]!, graph: results[1]! };
  };

  it('computes the outputs and gradients that eager execution computes', async () => {
    const both = await onBoth(gradientFn, parameters(), [batch(2, 5), batch(3, 4), batch(2, 5)]);
    both.eager.outputs.forEach((expected, i) => expect(worst(both.graph.outputs[i]!, expected)).toBeLessThan(1e-5));
  });

  it('takes the same AdamW steps', async () => {
    const p = parameters();
    const moments = Object.fromEntries(
      Object.entries(p).flatMap(([name, { shape, data }]) =>
        ['m', 'v'].map((kind) => [`${kind}.${name}`, { dtype: 'float32' as const, shape, data: new Float32Array(data.length) }]),
      ),
    );
    const both = await onBoth(
      adamW,
      { ...p, ...moments, step: scalar(0) },
      Array.from({ length: 6 }, () => ({ ...batch(2, 5), lr: scalar(0.01) })),
    );
    both.eager.outputs.forEach((expected, i) => expect(worst(both.graph.outputs[i]!, expected)).toBeLessThan(1e-5));
    expect(worst(both.graph.state, both.eager.state)).toBeLessThan(1e-5);
    expect(both.graph.state['step']!.data[0]).toBe(6);
  });

  it('lets every read of a run see the values before that run', async () => {
    const swap: ProgramFn = ({ a, b }) => ({ outputs: { a: a!, sum: tf.add(a!, b!) }, updates: { a: b!, b: a! } });
    const variables = await graph.createVariables({ a: scalar(1), b: scalar(2) });
    const program = graph.compile(swap, { variables });
    const first = await program.run({});
    const second = await program.run({});
    expect([first['a']!.data[0], second['a']!.data[0], second['sum']!.data[0]]).toEqual([1, 2, 3]);
  });

  it('returns inputs, constants and variables as they are', async () => {
    const variables = await graph.createVariables({ w: normal(3) });
    const program = graph.compile(
      ({ w }, { x }) => ({ outputs: { w: w!, x: x!, one: tf.scalar(1), zeros: tf.zeros([4, 5]), flags: tf.tensor1d([true, false], 'bool') } }),
      { variables },
    );
    const x = ints([2, 2], 9);
    const out = await program.run({ x });
    expect(out['x']).toEqual(x);
    expect(out['w']).toEqual((await variables.read())['w']);
    expect(out['zeros']!.data).toEqual(new Float32Array(20));
    expect(out['flags']).toEqual({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) });
  });

  it('reads, writes and adds variables, and refuses another shape', async () => {
    const variables = await graph.createVariables({ a: normal(2, 3) });
    const b = ints([4], 100);
    await variables.create({ b });
    expect(variables.names).toEqual(['a', 'b']);
    expect((await variables.read(['b']))['b']).toEqual(b);
    const a = normal(2, 3);
    await variables.write({ a });
    expect(await variables.read()).toEqual({ a, b });
    await expect(variables.write({ a: normal(3, 2) })).rejects.toThrow(/cannot assign float32\[3,2\]/);
    await expect(variables.create({ a })).rejects.toThrow(/a exists/);
    await expect(variables.read(['c'])).rejects.toThrow(/no variable c/);
  });

  it('sees variables that were added after it was compiled', async () => {
    const variables = await graph.createVariables({ a: scalar(2) });
    const program = graph.compile((all) => ({ outputs: { sum: Object.values(all).reduce((sum, x) => tf.add(sum, x)) } }), { variables });
    expect((await program.run({}))['sum']!.data[0]).toBe(2);
    await variables.create({ b: scalar(3) });
    expect((await program.run({}))['sum']!.data[0]).toBe(5);
  });

  it('keeps two sets of variables apart, and refuses those of another executor', async () => {
    const one = await graph.createVariables({ w: scalar(1) });
    const two = await graph.createVariables({ w: scalar(2) });
    const read: ProgramFn = ({ w }) => ({ outputs: { w: w! } });
    expect((await graph.compile(read, { variables: two }).run({}))['w']!.data[0]).toBe(2);
    expect((await graph.compile(read, { variables: one }).run({}))['w']!.data[0]).toBe(1);
    const foreign = await eager.createVariables({ w: scalar(1) });
    expect(() => graph.compile(read, { variables: foreign })).toThrow(/another executor/);
    foreign.dispose();
  });

  it('runs what is asked for at once in the order of asking', async () => {
    const variables = await graph.createVariables({ n: scalar(0) });
    const add = graph.compile(({ n }, { x }) => ({ outputs: { n: n! }, updates: { n: tf.add(n!, x!) } }), { variables });
    const double = graph.compile(({ n }) => ({ outputs: { n: n! }, updates: { n: tf.mul(n!, 2) } }), { variables });
    await Promise.all([add.run({ x: scalar(1) }), double.run({}), add.run({ x: scalar(5) }), double.run({})]);
    expect((await variables.read())['n']!.data[0]).toBe(14);
  });

  it('runs off the main thread', async () => {
    const variables = await graph.createVariables({});
    const program = graph.compile(
      (_, { x }) => ({
        outputs: { y: tf.sum(Array.from({ length: 12 }).reduce<tf.Tensor>((y) => tf.tanh(tf.matMul(y as tf.Tensor2D, x as tf.Tensor2D)), x!)) },
      }),
      { variables },
    );
    const x = normal(700, 700);
    await program.run({ x });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    const start = performance.now();
    await program.run({ x });
    clearInterval(timer);
    expect(performance.now() - start).toBeGreaterThan(10);
    expect(ticks).toBeGreaterThan(2);
  });

  it('runs a thousand steps in flat memory', async () => {
    const variables = await graph.createVariables({ w: normal(64, 1024) });
    const program = graph.compile(({ w }, { x }) => ({ outputs: { y: tf.add(w!, x!) }, updates: { w: tf.mul(tf.add(w!, x!), 0.5) } }), { variables });
    const x = normal(64, 1024); // 256 kB in and out: a step that kept either would show as 256 MB
    const steps = async (n: number) => {
      for (let i = 0; i < n; i++) await program.run({ x });
      return process.memoryUsage().rss;
    };
    await steps(300);
    const before = process.memoryUsage().rss;
    expect((await steps(1000)) - before).toBeLessThan(64 << 20);
    variables.dispose();
  });

  it('frees what its variables took', async () => {
    const big: HostTensors = { w: { dtype: 'float32', shape: [4 << 20], data: new Float32Array(4 << 20).fill(1) } }; // 16 MB
    const cycle = async () => {
      const variables = await graph.createVariables(big);
      variables.dispose();
    };
    for (let i = 0; i < 5; i++) await cycle();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 12; i++) await cycle();
    await (await graph.createVariables({ last: scalar(0) })).read(); // runs after the last release
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
  });

  it('tells how long each op took, as a trace that browsers draw', async () => {
    const profiled = createGraphExecutor();
    const variables = await profiled.createVariables({ w: normal(64, 64) });
    const program = profiled.compile(({ w }, { x }) => ({ outputs: { y: tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D) } }), { variables, name: 'a product' });
    const x = normal(64, 64);
    const plain = await program.run({ x });
    const { result, opTimes } = await profiled.profile(() => program.run({ x }));
    expect(result).toEqual(plain);
    const product = opTimes.find(({ name }) => /^a_product\/MatMul_\d+$/.test(name))!;
    expect(product.type).toMatch(/MatMul/);
    expect(Math.abs(product.startUs / 1e3 - Date.now())).toBeLessThan(60_000);
    expect(product.durationUs).toBeGreaterThan(0);
    const { traceEvents } = JSON.parse(toChromeTrace(opTimes)) as { traceEvents: { ph: string; dur: number; name: string }[] };
    expect(traceEvents.find(({ ph, name }) => ph === 'X' && name === product.type)!.dur).toBe(product.durationUs);
    profiled.dispose();
  });

  it('leaves TensorFlow.js as it found it: same backend, no tensor more', async () => {
    const before = tf.memory().numTensors;
    const variables = await graph.createVariables(parameters());
    await graph.compile(gradientFn, { variables }).run(batch(2, 3));
    expect(tf.getBackend()).toBe('tensorflow');
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.findBackend('graph').numDataIds()).toBe(0);
  });
});

describe.runIf(hasNative)('what cannot be traced', () => {
  let graph: Executor;
  beforeAll(() => {
    graph = createGraphExecutor();
  });
  afterAll(() => graph.dispose());

  const failure = async (fn: ProgramFn, inputs: HostTensors = { x: normal(3) }): Promise<Error> => {
    const before = tf.memory().numTensors;
    const random = Math.random;
    const variables = await graph.createVariables({ w: normal(3) });
    const error = await graph
      .compile(fn, { variables, name: 'probe' })
      .run(inputs)
      .then(
        () => undefined,
        (e: Error) => e,
      );
    expect(error).toBeInstanceOf(Error);
    expect(tf.getBackend()).toBe('tensorflow');
    expect(Math.random).toBe(random);
    expect(tf.memory().numTensors).toBe(before);
    return error!;
  };

  it('names a value read back, and where', async () => {
    const error = await failure((_, { x }) => ({ outputs: { y: tf.scalar(x!.dataSync()[0]!) } }));
    expect(error.message).toMatch(/^read: a value is read back in the middle of a traced function, at .*executor\.test\.ts:\d+:\d+/);
  });

  it('names a value read back asynchronously', async () => {
    const error = await failure((_, { x }) => {
      void x!.data();
      return { outputs: { x: x! } };
    });
    expect(error.message).toMatch(/value is read back/);
  });

  it('names randomness made in JavaScript', async () => {
    expect((await failure((_, { x }) => ({ outputs: { y: tf.add(x!, tf.randomUniform([3])) } }))).message).toMatch(
      /Math\.random: a random number drawn in JavaScript .* at .*executor\.test\.ts/,
    );
    expect((await failure((_, { x }) => ({ outputs: { y: tf.dropout(x!, 0.5) } }))).message).toMatch(/Math\.random/);
    expect((await failure((_, { x }) => ({ outputs: { y: tf.multinomial(x as tf.Tensor1D, 2, 3) } }))).message).toMatch(
      /Multinomial: this op draws other numbers/,
    );
  });

  it('names a tensor that belongs to the eager backend', async () => {
    const outside = tf.tensor1d([1, 2, 3]);
    const error = await failure((_, { x }) => ({ outputs: { y: tf.add(x!, outside) } }));
    expect(error.message).toMatch(/made outside the function is used inside, at .*executor\.test\.ts/);
    expect([...outside.dataSync()]).toEqual([1, 2, 3]);
    outside.dispose();
  });

  it('names the op that TensorFlow refuses', async () => {
    const error = await failure((_, { x }) => ({ outputs: { y: graphBackend().op('BiasAdd', [x!, x!])[0]! } }));
    expect(error.message).toMatch(/^BiasAdd: .*rank.*, at .*executor\.test\.ts/);
  });

  it('names shapes that depend on values', async () => {
    expect((await failure((_, { x }) => ({ outputs: { y: tf.unique(x as tf.Tensor1D).values } }))).message).toMatch(
      /shape: the shape of a result depends on its values, at .*executor\.test\.ts/,
    );
  });

  it('refuses an update of another shape and an update of nothing', async () => {
    expect((await failure(({ w }) => ({ outputs: {}, updates: { w: tf.sum(w!) } }))).message).toMatch(
      /probe: update of w is float32\[\], the variable is float32\[3\]/,
    );
    expect((await failure(({ w }) => ({ outputs: {}, updates: { u: w! } }))).message).toMatch(/no variable u/);
  });

  it('refuses a function that keeps tensors', async () => {
    const variables = await graph.createVariables({});
    let kept: tf.Tensor | undefined;
    const program = graph.compile((_, { x }) => ({ outputs: { y: (kept = tf.keep(tf.add(x!, 1))) } }), { variables });
    await expect(program.run({ x: normal(3) })).rejects.toThrow(/keeps 1 tensors beyond its end/);
    kept!.dispose();
  });

  it('passes on what the function throws, and runs the next one', async () => {
    const error = await failure(() => {
      throw new RangeError('mine');
    });
    expect(error).toBeInstanceOf(RangeError);
    const variables = await graph.createVariables({});
    expect((await graph.compile((_, { x }) => ({ outputs: { x: x! } }), { variables }).run({ x: scalar(4) }))['x']!.data[0]).toBe(4);
  });

  it('reports an index out of range when it runs', async () => {
    const variables = await graph.createVariables({ w: normal(3) });
    const program = graph.compile(({ w }, { i }) => ({ outputs: { y: tf.gather(w!, i as tf.Tensor1D) } }), { variables });
    await expect(program.run({ i: { dtype: 'int32', shape: [1], data: Int32Array.of(7) } })).rejects.toThrow(/7 is not in \[0, 3\)/);
    expect((await program.run({ i: { dtype: 'int32', shape: [1], data: Int32Array.of(2) } }))['y']!.shape).toEqual([1]);
  });
});
