import { createHash } from 'node:crypto';
import type { HostTensor } from '../program.js';
import type { CApi, GraphDType, Output, Pointer } from './c-api.js';
import { productOf, type Product } from './product.js';
import { TF_TYPE, cApi, checkStatus, dtypeOfType, int64s, newTensor, packOutputs, readBuffer } from './c-api.js';

/** A tensor in the graph: which op makes it, and what TensorFlow inferred of it. `shape` is null where it depends on values. */
export interface Node extends Output {
  readonly dtype: GraphDType | 'other';
  readonly shape: readonly number[] | null;
}

/** An attribute of an op, by TensorFlow's own names. */
export type Attr =
  | { readonly kind: 'type'; readonly name: string; readonly value: GraphDType }
  | { readonly kind: 'bool'; readonly name: string; readonly value: boolean }
  | { readonly kind: 'int'; readonly name: string; readonly value: number }
  | { readonly kind: 'ints'; readonly name: string; readonly value: readonly number[] }
  | { readonly kind: 'float'; readonly name: string; readonly value: number }
  | { readonly kind: 'string'; readonly name: string; readonly value: string }
  | { readonly kind: 'shape'; readonly name: string; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly name: string; readonly value: HostTensor };

export interface AddOptions {
  /** The op's whole name; default: the scope, the type and a number. */
  readonly name?: string;
  readonly attrs?: readonly Attr[];
  readonly numOutputs?: number;
  /** Ops that must have run before. */
  readonly after?: readonly Pointer[];
  /** Shapes of the outputs, for ops that TensorFlow cannot infer them for. */
  readonly shapes?: readonly (readonly number[])[];
}

/** A uniform constant larger than this many values is stored as one value and filled at run time. */
const FILL_FROM = 16;

/** The most ops that TensorFlow fuses with the product before them: a conversion, a bias, an activation. */
const MAX_FUSED = 3;

/**
 * A TensorFlow graph under construction. TensorFlow fills in types and defaults, infers shapes and refuses what does not fit;
 * nothing is computed. Ops can be added at any time: a session picks up the new ones at its next run.
 */
export class GraphBuilder {
  readonly api: CApi = cApi();
  readonly graph: Pointer = this.api.newGraph() as Pointer;
  /** Prefix of the names of ops added from now on; shows up in TensorFlow's messages and profiles. */
  scope = '';
  /** Ops added so far. */
  numOps = 0;
  /**
   * Matrix products, by op name: what a profile is measured against. Also under the names of the next ops behind a product: one that
   * TensorFlow fuses with a bias or an activation runs under the name of the last of them.
   */
  readonly products = new Map<string, Product>();
  private readonly productBehind = new Map<Pointer, { readonly product: Product; readonly distance: number }>();
  /** Handles of variables, by the op that reads them. */
  readonly handles = new Map<Pointer, Output>();
  /** false: as many ops as constants were asked for, whatever values they have. */
  isSharingConstants = true;
  private readonly status: Pointer = this.api.newStatus() as Pointer;
  private readonly constants = new Map<string, Node>();
  private readonly casts = new Map<string, Node>();

  /**
   * @param inputs in the op's own order; an array stands for a list input
   * @throws Error with TensorFlow's message when the op does not exist or does not take these
   */
  add(
    type: string,
    inputs: readonly (Output | readonly Output[])[],
    { name = `${this.scope}${type}_${this.numOps}`, attrs = [], numOutputs = 1, after = [], shapes = [] }: AddOptions = {},
  ): { oper: Pointer; outputs: Node[] } {
    const { api } = this;
    this.numOps++;
    const op = api.newOperation(this.graph, type, name) as Pointer;
    for (const input of inputs) {
      if (isList(input)) api.addInputList(op, packOutputs(input), input.length);
      else api.addInput(op, { oper: input.oper, index: input.index });
    }
    for (const other of after) api.addControlInput(op, other);
    for (const attr of attrs) this.setAttr(op, attr);
    const oper = api.finishOperation(op, this.status) as Pointer;
    checkStatus(api, this.status, (message) => new Error(message));
    for (const [index, shape] of shapes.entries()) {
      api.setOutputShape(this.graph, { oper, index }, int64s(shape), shape.length, this.status);
      checkStatus(api, this.status, (message) => new Error(message));
    }
    const outputs = Array.from({ length: numOutputs }, (_, index) => this.describe({ oper, index }));
    this.noteProduct(name, oper, productOf(type, inputs[0] as Node | undefined, outputs[0], attrs), inputs);
    return { oper, outputs };
  }

  private noteProduct(name: string, oper: Pointer, own: Product | undefined, inputs: readonly (Output | readonly Output[])[]): void {
    const before = inputs
      .map((input) => (isList(input) ? undefined : this.productBehind.get(input.oper)))
      .find((behind) => behind && behind.distance < MAX_FUSED);
    const found = own ? { product: own, distance: 0 } : before && { product: before.product, distance: before.distance + 1 };
    if (!found) return;
    this.products.set(name, found.product);
    this.productBehind.set(oper, found);
  }

  /** The single output of an op that has one. */
  one(type: string, inputs: readonly (Output | readonly Output[])[], attrs: readonly Attr[] = []): Node {
    return this.add(type, inputs, { attrs }).outputs[0]!;
  }

  placeholder(dtype: HostTensor['dtype'], shape: readonly number[], name?: string): Node {
    const attrs: Attr[] = [
      { kind: 'type', name: 'dtype', value: dtype },
      { kind: 'shape', name: 'shape', value: shape },
    ];
    return this.add('Placeholder', [], { ...(name !== undefined && { name }), attrs }).outputs[0]!;
  }

  /** Everything added so far, as TensorFlow's own message GraphDef. */
  toGraphDef(): Uint8Array {
    const { api } = this;
    const buffer = api.newBuffer() as Pointer;
    try {
      api.graphToGraphDef(this.graph, buffer, this.status);
      checkStatus(api, this.status, (message) => new Error(message));
      return readBuffer(buffer);
    } finally {
      api.deleteBuffer(buffer);
    }
  }

  /** A constant; equal constants are one op, and large uniform ones are filled when they are needed instead of stored. */
  constant(value: HostTensor): Node {
    if (!this.isSharingConstants) return this.makeConstant(value);
    const key = constantKey(value);
    let node = this.constants.get(key);
    if (!node) this.constants.set(key, (node = this.makeConstant(value)));
    return node;
  }

  /** The same values in another type; a tensor is converted once however often it is asked for. */
  cast(node: Node, dtype: GraphDType): Node {
    if (node.dtype === dtype) return node;
    const key = `${node.oper}:${node.index}:${dtype}`;
    let cast = this.casts.get(key);
    if (!cast) this.casts.set(key, (cast = this.one('Cast', [node], [{ kind: 'type', name: 'DstT', value: dtype }])));
    return cast;
  }

  /** An op that does nothing but run after all of these: the one target of a run with many effects. */
  group(after: readonly Pointer[]): Pointer {
    return this.add('NoOp', [], { after, numOutputs: 0 }).oper;
  }

  dispose(): void {
    this.api.deleteGraph(this.graph);
    this.api.deleteStatus(this.status);
  }

  private makeConstant(value: HostTensor): Node {
    const { dtype, shape, data } = value;
    const first = data[0];
    if (data.length >= FILL_FROM && data.every((x) => Object.is(x, first))) {
      const dims = this.constant({ dtype: 'int32', shape: [shape.length], data: Int32Array.from(shape) });
      return this.one('Fill', [dims, this.constant({ dtype, shape: [], data: data.slice(0, 1) })]);
    }
    return this.one(
      'Const',
      [],
      [
        { kind: 'type', name: 'dtype', value: dtype },
        { kind: 'tensor', name: 'value', value },
      ],
    );
  }

  private describe(output: Output): Node {
    const { api, graph, status } = this;
    const dtype = dtypeOfType(api.outputType(output) as number) ?? 'other';
    const rank = api.outputNumDims(graph, output, status) as number;
    checkStatus(api, status, (message) => new Error(message));
    if (rank < 0) return { ...output, dtype, shape: null };
    const dims = new BigInt64Array(rank);
    api.outputShape(graph, output, dims, rank, status);
    checkStatus(api, status, (message) => new Error(message));
    const shape = Array.from(dims, Number);
    return { ...output, dtype, shape: shape.includes(-1) ? null : shape };
  }

  private setAttr(op: Pointer, attr: Attr): void {
    const { api } = this;
    switch (attr.kind) {
      case 'type':
        return void api.setAttrType(op, attr.name, TF_TYPE[attr.value]);
      case 'bool':
        return void api.setAttrBool(op, attr.name, attr.value ? 1 : 0);
      case 'int':
        return void api.setAttrInt(op, attr.name, attr.value);
      case 'ints':
        return void api.setAttrIntList(op, attr.name, int64s(attr.value), attr.value.length);
      case 'float':
        return void api.setAttrFloat(op, attr.name, attr.value);
      case 'string':
        return void api.setAttrString(op, attr.name, attr.value, Buffer.byteLength(attr.value));
      case 'shape':
        return void api.setAttrShape(op, attr.name, int64s(attr.value), attr.value.length);
      case 'tensor': {
        const tensor = newTensor(api, attr.value);
        api.setAttrTensor(op, attr.name, tensor, this.status); // copies it into the op
        api.deleteTensor(tensor);
        return checkStatus(api, this.status, (message) => new Error(message));
      }
    }
  }
}

function isList(input: Output | readonly Output[]): input is readonly Output[] {
  return Array.isArray(input);
}

function constantKey({ dtype, shape, data }: HostTensor): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const content = bytes.length <= 64 ? bytes.toString('latin1') : createHash('sha256').update(bytes).digest('base64');
  return `${dtype}[${shape}]${content}`;
}
