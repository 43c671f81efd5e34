import * as tf from '@tensorflow/tfjs-core';
import { graphBackend } from '../graph/backend.js';
import { GraphBuilder, type Node } from '../graph/builder.js';
import { TF_TYPE } from '../graph/c-api.js';
import { TraceError } from '../graph/trace-error.js';
import type { HostTensor, ProgramFn, Tensors } from '../program.js';
import { fitSizeFormula, isConstant, sampleSizes, type SizeFormula, type Sizes } from './dimensions.js';
import { decodeGraphDef, encodeProto, opOf, shapeProto, type NodeDef, type TensorProto } from './proto.js';

/** A tensor whose sizes may be left open: a name instead of a number, equal names for equal sizes. */
export interface OpenShape {
  readonly dtype: HostTensor['dtype'];
  readonly shape: readonly (number | string)[];
}

/** A tensor of a portable graph. */
export interface PortableTensor {
  /** `op` or `op:1`, as other ops name it. */
  readonly tensor: string;
  readonly dtype: HostTensor['dtype'];
  /** -1 where it is left open. */
  readonly shape: readonly number[];
}

/**
 * A program as a graph that leaves this process: TensorFlow's own ops alone, in float32, sizes of inputs left open. Inputs and parameters
 * are ops of the type Placeholder, parameters under their own names: whoever writes the graph down puts in their place what holds the values.
 */
export interface PortableGraph {
  readonly nodes: readonly NodeDef[];
  readonly inputs: Readonly<Record<string, PortableTensor>>;
  readonly outputs: Readonly<Record<string, PortableTensor>>;
  /** Those that the outputs depend on. */
  readonly parameters: readonly string[];
}

export interface PortableOptions {
  /** Prefix of all ops but the parameters. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, Pick<HostTensor, 'dtype' | 'shape'>>>;
  readonly inputs: Readonly<Record<string, OpenShape>>;
}

/**
 * Makes the graph of a function for open sizes. TensorFlow.js knows fixed shapes only: the function is traced at several sizes, and each
 * number in which the graphs differ is computed in the graph from the sizes of the inputs.
 * @throws TraceError where the function's ops, and not just their numbers, depend on the sizes; SetupError without native TensorFlow
 */
export function portableGraph(fn: ProgramFn, options: PortableOptions): PortableGraph {
  const { name, inputs } = options;
  const names = [...new Set(Object.values(inputs).flatMap(({ shape }) => shape.filter((size) => typeof size === 'string')))];
  const samples = sampleSizes(names).map((sizes) => traceAt(fn, options, sizes));
  const [first] = samples as [Sample];
  const odd = samples.find(({ nodes }) => nodes.length !== first.nodes.length);
  if (odd) throw new TraceError(name, `the function makes ${first.nodes.length} ops at one size and ${odd.nodes.length} at another`);
  const open = openSizes(name, inputs);
  const nodes = first.nodes.flatMap((node, i) => {
    const bytes = samples.map((sample) => encodeProto('NodeDef', sample.nodes[i]!));
    if (bytes.every((other) => Buffer.compare(other, bytes[0]!) === 0)) return [node];
    const input = Object.entries(inputs).find(([key]) => inputOp(name, key) === node.name);
    if (input) return [{ ...node, attr: { ...node.attr, shape: { shape: shapeProto(input[1].shape.map(closed)) } } }];
    return open.replace(
      node,
      samples.map((sample) => sample.nodes[i]!),
      names,
    );
  });
  const outputs = Object.fromEntries(
    Object.entries(first.outputs).map(([key, node]) => {
      const shapes = samples.map((sample) => sample.outputs[key]!.shape!);
      const shape = node.shape!.map((size, axis) => {
        const formula = fitSizeFormula(
          names,
          shapes.map((other) => other[axis]!),
        );
        return formula && isConstant(formula) ? size : -1;
      });
      return [key, { tensor: outputOp(name, key), dtype: node.dtype as HostTensor['dtype'], shape }];
    }),
  );
  const used = reachable(
    [...open.nodes, ...nodes],
    Object.values(outputs).map(({ tensor }) => tensor),
  );
  return {
    nodes: used,
    inputs: Object.fromEntries(Object.entries(inputs).map(([key, { dtype, shape }]) => [key, { tensor: inputOp(name, key), dtype, shape: shape.map(closed) }])),
    outputs,
    parameters: Object.keys(options.parameters).filter((parameter) => used.some((node) => node.name === parameter)),
  };
}

const closed = (size: number | string): number => (typeof size === 'number' ? size : -1);
const inputOp = (name: string, key: string): string => `${name}/input/${key}`;
const outputOp = (name: string, key: string): string => `${name}/output/${key}`;

interface Sample {
  readonly nodes: readonly NodeDef[];
  readonly outputs: Readonly<Record<string, Node>>;
}

function traceAt(fn: ProgramFn, { name, parameters, inputs }: PortableOptions, sizes: Sizes): Sample {
  const backend = graphBackend();
  const builder = new GraphBuilder();
  try {
    builder.scope = `${name}/`;
    builder.isSharingConstants = false;
    const outputs = backend.record(builder, { bf16: false, isFusing: false }, () =>
      tf.tidy(() => {
        const placeholder = (op: string, { dtype, shape }: OpenShape) =>
          backend.wrap(
            builder.placeholder(
              dtype,
              shape.map((size) => (typeof size === 'number' ? size : sizes[size]!)),
              op,
            ),
          );
        const given = Object.fromEntries(Object.entries(parameters).map(([key, spec]) => [key, placeholder(key, spec)]));
        const fed = Object.fromEntries(Object.entries(inputs).map(([key, spec]) => [key, placeholder(inputOp(name, key), spec)]));
        const results: Tensors = fn(given, fed).outputs;
        return Object.entries(results).map(([key, tensor]) => [
          key,
          builder.add('Identity', [backend.nodeOf(tensor)], { name: outputOp(name, key) }).outputs[0]!,
        ]) as unknown as tf.TensorContainer;
      }),
    ) as unknown as [string, Node][];
    return { nodes: decodeGraphDef(builder.toGraphDef()).node, outputs: Object.fromEntries(outputs) };
  } finally {
    builder.dispose();
  }
}

/** Ops that compute the open sizes, and what depends on them, from the inputs' shapes. */
function openSizes(
  name: string,
  inputs: PortableOptions['inputs'],
): { readonly nodes: readonly NodeDef[]; replace(node: NodeDef, samples: readonly NodeDef[], names: readonly string[]): NodeDef[] } {
  const nodes: NodeDef[] = [];
  const made = new Map<string, string>();
  const int = { type: TF_TYPE.int32 };
  /** The op of these inputs, made once. */
  const op = (type: string, input: readonly string[], attr: NodeDef['attr'], as?: string): string => {
    const key = as ?? JSON.stringify([type, input, attr]);
    const known = made.get(key);
    if (known !== undefined) return known;
    const node = { name: as ?? `${name}/sizes/${type}_${nodes.length}`, op: type, input, attr };
    nodes.push(node);
    made.set(key, node.name);
    return node.name;
  };
  const constant = (values: readonly number[], shape: readonly number[]): string =>
    op('Const', [], { dtype: int, value: { tensor: { dtype: TF_TYPE.int32, tensorShape: shapeProto(shape), intVal: values } } });
  const sizeOf = (size: string): string => {
    const [key, { shape }] = Object.entries(inputs).find(([, { shape }]) => shape.includes(size))!;
    const axis = shape.indexOf(size);
    const whole = op('Shape', [inputOp(name, key)], { T: { type: TF_TYPE[inputs[key]!.dtype] }, out_type: int });
    const masks = { begin_mask: { i: 0 }, end_mask: { i: 0 }, ellipsis_mask: { i: 0 }, new_axis_mask: { i: 0 }, shrink_axis_mask: { i: 1 } };
    return op('StridedSlice', [whole, constant([axis], [1]), constant([axis + 1], [1]), constant([1], [1])], { T: int, Index: int, ...masks });
  };
  const scalar = (formula: SizeFormula): string => {
    const terms = formula.map(({ coefficient, names }) => {
      const factors = names.map(sizeOf);
      const all = coefficient === 1 && factors.length > 0 ? factors : [...factors, constant([coefficient], [])];
      return all.reduce((product, factor) => op('Mul', [product, factor], { T: int }));
    });
    return terms.length === 0 ? constant([0], []) : terms.reduce((sum, term) => op('AddV2', [sum, term], { T: int }));
  };
  return {
    nodes,
    replace(node, samples, names) {
      const tensor = node.attr['value']?.tensor;
      const rows = samples.map((sample) => (sample.op === 'Const' ? intsOf(sample.attr['value']!.tensor!) : undefined));
      const [first] = rows;
      const isFixedLength = first && rows.every((row) => row?.length === first.length);
      const formulas = isFixedLength
        ? first.map((_, i) =>
            fitSizeFormula(
              names,
              rows.map((row) => row![i]!),
            ),
          )
        : [undefined];
      if (!tensor || formulas.includes(undefined))
        throw new TraceError(node.op, `${node.name} depends on the sizes of the inputs, and not by sums of their products`);
      const shape = tensor.tensorShape.dim.map(({ size }) => size);
      const scalars = (formulas as SizeFormula[]).map(scalar);
      if (shape.length === 0) return [{ name: node.name, op: 'Identity', input: scalars, attr: { T: int } }];
      const pack = { op: 'Pack', input: scalars, attr: { N: { i: scalars.length }, T: int, axis: { i: 0 } } };
      if (shape.length === 1) return [{ name: node.name, ...pack }];
      return [
        { name: `${node.name}/flat`, ...pack },
        { name: node.name, op: 'Reshape', input: [`${node.name}/flat`, constant(shape, [shape.length])], attr: { T: int, Tshape: int } },
      ];
    },
  };
}

/** The values of an int32 constant; undefined of another. */
function intsOf({ dtype, tensorShape, tensorContent, intVal = [] }: TensorProto): readonly number[] | undefined {
  if (dtype !== TF_TYPE.int32) return undefined;
  if (tensorContent?.length) return Array.from(new Int32Array(new Uint8Array(tensorContent).buffer));
  const size = tensorShape.dim.reduce((product, dim) => product * dim.size, 1);
  return Array.from({ length: size }, (_, i) => intVal[Math.min(i, intVal.length - 1)] ?? 0);
}

function reachable(nodes: readonly NodeDef[], from: readonly string[]): NodeDef[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const seen = new Set<string>();
  const waiting = [...from];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    waiting.push(...byName.get(name)!.input.map(opOf));
  }
  return nodes.filter(({ name }) => seen.has(name));
}
