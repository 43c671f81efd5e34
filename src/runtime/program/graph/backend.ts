import * as tf from '@tensorflow/tfjs-core';
import { SetupError } from '../../../errors.js';
import { ADAM } from '../../ops/adam.js';
import { FUSED, fused, type FusedAttrs, type FusingBackend } from '../../ops/fused.js';
import type { Cluster } from '../../cluster/cluster.js';
import { AFTER } from '../../ops/order.js';
import { SUM_OVER_WORKERS, type SumOverWorkersAttrs } from '../../ops/sum-over-workers.js';
import { SUM_OF_SQUARES } from '../../ops/sum-of-squares.js';
import { adamInPlace } from './adam.js';
import { MOVES, runsLow } from '../autocast.js';
import type { HostTensor } from '../program.js';
import type { Attr, GraphBuilder, Node } from './builder.js';
import type { GraphDType, Output, Pointer } from './c-api.js';
import { TF_TYPE, dtypeOfType } from './c-api.js';
import { collectiveSum } from './collective.js';
import { fusedKernel } from './fused-kernel.js';
import { TraceError } from './trace-error.js';

/** Name under which tracing registers with TensorFlow.js. It is active while a function is traced, never otherwise. */
export const GRAPH_BACKEND = 'graph';
const NODE_BACKEND = 'tensorflow';

/** What the Node kernels hand over: the attributes of tfjs-node's binding. */
interface BindingAttr {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** A tensor of this backend: an output in the graph, or values made in JavaScript that become a constant when an op wants them. */
interface Entry {
  readonly shape: number[];
  readonly dtype: number;
  readonly id: -1;
  values: tf.backend_util.BackendValues | null;
  node?: Node;
  refCount: number;
}

/** What a subclass in another house has to know of the Node backend, some of it private there. */
interface NodeBackend extends tf.KernelBackend {
  tensorMap: tf.DataStorage<Entry>;
  binding: Record<'TF_ATTR_STRING' | 'TF_ATTR_INT' | 'TF_ATTR_FLOAT' | 'TF_ATTR_BOOL' | 'TF_ATTR_TYPE', number>;
  executeSingleOutput(type: string, attrs: BindingAttr[], inputs: tf.TensorInfo[]): tf.Tensor;
  executeMultipleOutputs(type: string, attrs: BindingAttr[], inputs: tf.TensorInfo[], numOutputs: number): tf.Tensor[];
}

type NodeBackendClass = new (binding: unknown, packageName: string) => NodeBackend;

export interface InPlaceUpdate {
  readonly handle: Output;
  /** The op that does it. */
  readonly oper: Pointer;
}

/** Ops of the Node kernels whose inputs form one list, save the last so many. */
const LIST_INPUTS: Readonly<Record<string, { readonly trailing: number }>> = {
  ConcatV2: { trailing: 1 },
  Pack: { trailing: 0 },
  AddN: { trailing: 0 },
  Einsum: { trailing: 0 },
};

/** What TensorFlow.js takes a tensor for: it knows neither bfloat16 nor bytes. */
const SEEN_AS = { float32: 'float32', bfloat16: 'float32', int32: 'int32', uint8: 'int32', bool: 'bool' } as const;

/** Ops that draw from a generator inside TensorFlow: other values at every call, and others again after a resume. */
const STATEFUL_RANDOM = new Set([
  'Multinomial',
  'RandomUniform',
  'RandomStandardNormal',
  'TruncatedNormal',
  'RandomUniformInt',
  'RandomShuffle',
  'RandomGamma',
  'RandomPoissonV2',
]);

export interface RecordOptions {
  /** Matrix products, and what stands between them, in bfloat16. */
  readonly bf16: boolean;
  /** Use the ops of kernels/, which must be loaded. */
  readonly isFusing: boolean;
  /** Whom `sumOverWorkers` sums over. */
  readonly cluster?: Cluster | undefined;
}

export interface GraphBackend extends tf.KernelBackend, FusingBackend {
  /** Runs `fn` with every TensorFlow.js op added to `builder` instead of computed. Not re-entrant. */
  record<T>(builder: GraphBuilder, options: RecordOptions, fn: () => T): T;
  /** The TensorFlow.js tensor that stands for `node`. */
  wrap(node: Node): tf.Tensor;
  /** What stands behind a tensor made while recording. */
  nodeOf(tensor: tf.TensorInfo): Node;
  /** The graph under construction. */
  recording(): GraphBuilder;
  /** Whether the program under construction multiplies in bfloat16. */
  readonly isLow: boolean;
  /** The sum of x over the workers of the cluster. */
  sumOverWorkers(x: tf.TensorInfo, attrs: SumOverWorkersAttrs): tf.Tensor;
  /** What updates variables where they stand, by the op that reads their new values: such a result needs no assignment, and must be an update. */
  readonly updatesInPlace: Map<Pointer, InPlaceUpdate>;
  /** x as the output of an op that waits for `earlier`. */
  after(x: tf.TensorInfo, earlier: tf.TensorInfo): tf.Tensor;
  /** Adds an op by TensorFlow's own name, for the few that TensorFlow.js has no kernel for. */
  op(type: string, inputs: readonly tf.TensorInfo[], attrs?: readonly Attr[], numOutputs?: number): tf.Tensor[];
}

let registered: GraphBackend | undefined;

/** Takes over the Node kernels that have no counterpart yet, those registered since the last time included. */
function adoptKernels(): void {
  for (const kernel of tf.getKernelsForBackend(NODE_BACKEND))
    if (!tf.getKernel(kernel.kernelName, GRAPH_BACKEND)) tf.registerKernel({ ...kernel, backendName: GRAPH_BACKEND });
}

/**
 * The tracing backend: a second TensorFlow.js backend beside the Node one that takes over all of its kernels. They end in
 * `executeSingleOutput` or `executeMultipleOutputs`, and there the op is added to a graph.
 * @throws SetupError when the native TensorFlow backend is not loaded
 */
export function graphBackend(): GraphBackend {
  if (registered) return registered;
  const node = tf.findBackend(NODE_BACKEND) as NodeBackend | null;
  if (!node)
    throw new SetupError({
      key: 'executor',
      found: 'no graph executor: native TensorFlow is not loaded',
      hint: 'run: npx scdiva setup, or set train.executor to auto',
    });
  const backend = defineGraphBackend(node);
  tf.registerBackend(GRAPH_BACKEND, () => backend, 0);
  // The Node kernel reads its indices back to check their range; in a graph there is nothing to read, and TensorFlow's own
  // kernel checks them when it runs.
  tf.registerKernel({
    kernelName: tf.GatherV2,
    backendName: GRAPH_BACKEND,
    kernelFunc: ({ inputs, attrs }) => {
      const { axis, batchDims } = attrs as unknown as tf.GatherV2Attrs;
      const axisTensor = tf.scalar(axis, 'int32');
      const gathered = backend.op('GatherV2', [inputs['x']!, inputs['indices']!, axisTensor], [{ kind: 'int', name: 'batch_dims', value: batchDims }])[0]!;
      axisTensor.dispose();
      return gathered;
    },
  });
  tf.registerKernel({
    kernelName: AFTER,
    backendName: GRAPH_BACKEND,
    kernelFunc: ({ inputs }) => backend.after(inputs['x']!, inputs['earlier']!),
  });
  tf.registerKernel({
    kernelName: SUM_OF_SQUARES,
    backendName: GRAPH_BACKEND,
    kernelFunc: ({ inputs }) => {
      const x = inputs['x'] as tf.Tensor;
      if (backend.isFusing) return fused('ScdivaSumOfSquares', [[x, 'either']], {}, [{ shape: [], precision: 'full' }])[0]!;
      // Half the sum of squares, without a tensor of squares.
      return tf.tidy(() => tf.mul(backend.op('L2Loss', [x])[0]!, 2));
    },
  });
  tf.registerKernel({
    kernelName: SUM_OVER_WORKERS,
    backendName: GRAPH_BACKEND,
    kernelFunc: ({ inputs, attrs }) => backend.sumOverWorkers(inputs['x']!, attrs as unknown as SumOverWorkersAttrs),
  });
  tf.registerKernel({
    kernelName: FUSED,
    backendName: GRAPH_BACKEND,
    kernelFunc: ({ inputs, attrs }) => fusedKernel(backend, inputs, attrs as unknown as FusedAttrs),
  });
  tf.registerKernel({ kernelName: ADAM, backendName: GRAPH_BACKEND, kernelFunc: ({ inputs }) => adamInPlace(backend, inputs) });
  return (registered = backend);
}

function defineGraphBackend(node: NodeBackend): GraphBackend {
  const { binding } = node;
  // The class itself is not exported by the package's entry point; the live backend knows it, and is certain to be the one in use.
  const NodeBackendBase = Object.getPrototypeOf(node).constructor as NodeBackendClass;

  class TracingBackend extends NodeBackendBase implements GraphBackend {
    readonly updatesInPlace = new Map<Pointer, InPlaceUpdate>();
    private builder: GraphBuilder | undefined;
    private cluster: Cluster | undefined;
    isLow = false;
    isFusing = false;
    private violation: TraceError | undefined;

    constructor() {
      super(binding, '@tensorflow/tfjs-node-gpu');
      // TensorFlow.js moves a tensor to the backend that needs it, silently: here that would freeze its present value into the graph.
      this.tensorMap = new tf.DataStorage<Entry>(this, {
        moveData: () => {
          throw new TraceError('tensor', 'a tensor made outside the function is used inside', 'make it inside, or pass it as an input or a variable');
        },
      });
    }

    record<T>(builder: GraphBuilder, { bf16, isFusing, cluster }: RecordOptions, fn: () => T): T {
      if (this.builder) throw new Error('a function being traced cannot trace another');
      const outer = tf.getBackend();
      const random = Math.random;
      this.builder = builder;
      this.isLow = bf16;
      this.isFusing = isFusing;
      this.cluster = cluster;
      // Every unseeded generator of TensorFlow.js starts from here.
      Math.random = () => {
        throw new TraceError(
          'Math.random',
          'a random number drawn in JavaScript would be the same at every step',
          'feed a seed and draw in the graph: runtime/ops/random',
        );
      };
      try {
        activate(GRAPH_BACKEND);
        adoptKernels();
        const result = fn();
        if (this.violation) throw this.violation;
        return result;
      } finally {
        Math.random = random;
        activate(outer);
        this.builder = undefined;
        this.updatesInPlace.clear();
        this.violation = undefined;
      }
    }

    wrap(node: Node): tf.Tensor {
      if (node.shape === null)
        throw new TraceError('shape', 'the shape of a result depends on its values', "a graph needs shapes that follow from the inputs' shapes");
      if (node.dtype === 'other') throw new TraceError('dtype', 'a result has a type TensorFlow.js does not know');
      const dtype = SEEN_AS[node.dtype];
      const dataId = {};
      const shape = [...node.shape];
      this.tensorMap.set(dataId, { shape, dtype: TF_TYPE[node.dtype], id: -1, values: null, node, refCount: 1 });
      return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype });
    }

    nodeOf(tensor: tf.TensorInfo): Node {
      const entry = this.tensorMap.get(tensor.dataId);
      let { node } = entry;
      if (!node) {
        node = this.recording().constant(toHostTensor(entry));
        entry.node = node;
        entry.values = null;
      }
      return node;
    }

    op(type: string, inputs: readonly tf.TensorInfo[], attrs: readonly Attr[] = [], numOutputs = 1): tf.Tensor[] {
      const builder = this.recording();
      if (STATEFUL_RANDOM.has(type))
        throw new TraceError(type, 'this op draws other numbers after a resume', 'use runtime/ops/random, which draws from a seed that is fed');
      const nodes = inputs.map((tensor) => this.nodeOf(tensor));
      if (type === 'Cast') return [this.wrap(this.cast(nodes[0]!, attrs))];
      const { args, isLow } = this.autocast(type, nodes);
      const list = LIST_INPUTS[type];
      const grouped = list ? [args.slice(0, args.length - list.trailing), ...args.slice(args.length - list.trailing)] : args;
      const typed = isLow ? attrs.map((attr): Attr => (attr.kind === 'type' && attr.value === 'float32' ? { ...attr, value: 'bfloat16' } : attr)) : attrs;
      try {
        return builder.add(type, grouped, { attrs: typed, numOutputs }).outputs.map((node) => this.wrap(node));
      } catch (error) {
        if (error instanceof TraceError) throw error;
        throw new TraceError(type, (error as Error).message);
      }
    }

    after(x: tf.TensorInfo, earlier: tf.TensorInfo): tf.Tensor {
      const { outputs } = this.recording().add('Identity', [this.nodeOf(x)], { after: [this.nodeOf(earlier).oper] });
      return this.wrap(outputs[0]!);
    }

    sumOverWorkers(x: tf.TensorInfo, attrs: SumOverWorkersAttrs): tf.Tensor {
      if (!this.cluster) throw new TraceError('sumOverWorkers', 'this executor belongs to no cluster', 'pass createExecutor the cluster');
      return this.wrap(collectiveSum(this.recording(), this.nodeOf(x), attrs, this.cluster));
    }

    private cast(node: Node, attrs: readonly Attr[]): Node {
      const to = attrs.find((attr) => attr.name === 'DstT');
      if (to?.kind !== 'type') throw new TraceError('Cast', 'no type to convert to');
      const isNewFloat = to.value === 'float32' && node.dtype !== 'float32' && node.dtype !== 'bfloat16';
      return this.recording().cast(node, this.isLow && isNewFloat && runsLow('Cast') ? 'bfloat16' : to.value);
    }

    /** Converts float inputs to what the op runs in; see autocast.ts. */
    private autocast(type: string, nodes: readonly Node[]): { args: Node[]; isLow: boolean } {
      const isFloat = (node: Node) => node.dtype === 'float32' || node.dtype === 'bfloat16';
      const floats = nodes.filter(isFloat);
      const moves = MOVES.has(type) && floats.length > 0 && floats.every((node) => node.dtype === 'bfloat16');
      const isLow = this.isLow && floats.length > 0 && (runsLow(type) || moves);
      const dtype = isLow ? 'bfloat16' : 'float32';
      return { args: nodes.map((node) => (isFloat(node) ? this.recording().cast(node, dtype) : node)), isLow };
    }

    recording(): GraphBuilder {
      if (!this.builder) throw new TraceError('tensor', 'a tensor of a traced function is used after tracing', 'return it as an output');
      return this.builder;
    }

    // ---- what the Node kernels call

    override executeSingleOutput(type: string, attrs: BindingAttr[], inputs: tf.TensorInfo[]): tf.Tensor {
      return this.executeMultipleOutputs(type, attrs, inputs, 1)[0]!;
    }

    override executeMultipleOutputs(type: string, attrs: BindingAttr[], inputs: tf.TensorInfo[], numOutputs: number): tf.Tensor[] {
      const converted = attrs.map((attr) => convertAttr(type, attr));
      // TensorFlow.js sends every product to the batched op; for plain matrices MatMul is the faster kernel.
      if (type === 'BatchMatMulV2' && inputs.every(({ shape }) => shape.length === 2)) return this.op('MatMul', inputs, converted.map(matMulAttr), numOutputs);
      return this.op(type, inputs, converted, numOutputs);
    }

    override readSync(dataId: tf.DataId): tf.backend_util.BackendValues {
      const { values } = this.tensorMap.get(dataId);
      if (values === null)
        throw new TraceError(
          'read',
          'a value is read back in the middle of a traced function',
          'compute with tensors only, and return what is to be read as an output',
        );
      return values;
    }

    override read(dataId: tf.DataId): Promise<tf.backend_util.BackendValues> {
      try {
        return Promise.resolve(this.readSync(dataId));
      } catch (error) {
        // A synchronous function cannot await: the trace fails with this as soon as it returns.
        this.violation = error as TraceError;
        return new Promise(() => {});
      }
    }
  }

  function convertAttr(type: string, { name, type: kind, value }: BindingAttr): Attr {
    if (kind === binding.TF_ATTR_TYPE) {
      const dtype = dtypeOfType(value as number);
      if (dtype) return { kind: 'type', name, value: dtype };
    } else if (kind === binding.TF_ATTR_BOOL) return { kind: 'bool', name, value: Boolean(value) };
    else if (kind === binding.TF_ATTR_INT)
      return Array.isArray(value) ? { kind: 'ints', name, value: value as number[] } : { kind: 'int', name, value: value as number };
    else if (kind === binding.TF_ATTR_FLOAT) return { kind: 'float', name, value: value as number };
    else if (kind === binding.TF_ATTR_STRING) return { kind: 'string', name, value: value as string };
    throw new TraceError(type, `attribute ${name} = ${String(value)} has no counterpart in a graph`);
  }

  return new TracingBackend();
}

function activate(name: string): void {
  // Returns a promise for backends that start asynchronously; both of these are there already, and are set at once.
  void tf.setBackend(name);
  if (tf.getBackend() !== name) throw new Error(`TensorFlow.js did not switch to the ${name} backend`);
}

function matMulAttr(attr: Attr): Attr {
  const name = { adj_x: 'transpose_a', adj_y: 'transpose_b' }[attr.name];
  return name === undefined ? attr : { ...attr, name };
}

function toHostTensor({ values, shape, dtype }: Entry): HostTensor {
  const name = dtypeOfType(dtype) as GraphDType | undefined;
  if (name === 'float32') return { dtype: name, shape, data: Float32Array.from(values as ArrayLike<number>) };
  if (name === 'int32') return { dtype: name, shape, data: Int32Array.from(values as ArrayLike<number>) };
  if (name === 'bool') return { dtype: name, shape, data: Uint8Array.from(values as ArrayLike<number>) };
  throw new TraceError('constant', 'only float32, int32 and bool constants can go into a graph');
}
