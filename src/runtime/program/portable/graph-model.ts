import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TF_TYPE } from '../graph/c-api.js';
import type { HostTensor, HostTensors } from '../program.js';
import { GRAPH_VERSIONS } from './nodes.js';
import type { PortableGraph, PortableTensor } from './portable-graph.js';
import type { AttrValue, NodeDef, TensorProto } from './proto.js';
import { storeWeight, type StoredWeight, type WeightPrecision } from './stored-weight.js';

export interface GraphModelContent {
  readonly signatures: Readonly<Record<string, PortableGraph>>;
  /** The signature that `model.predict` computes. */
  readonly main: string;
  /** Values of the parameters that any signature uses. */
  readonly parameters: HostTensors;
  readonly precision: WeightPrecision;
  /** Name and version of the program. */
  readonly generatedBy: string;
}

/** What model.json says beside TensorFlow.js' own: for each signature the tensors behind the names of its inputs and outputs. */
export type SignatureTensors = Readonly<
  Record<string, { readonly inputs: Readonly<Record<string, string>>; readonly outputs: Readonly<Record<string, string>> }>
>;

/** Browsers keep files of this size in their caches. */
const SHARD_BYTES = 4 * 2 ** 20;

/** Writes `model.json` and its weights into a folder, as `tf.loadGraphModel` reads them. All signatures are in one graph and share their weights. */
export async function writeGraphModel(folder: string, { signatures, main, parameters, precision, generatedBy }: GraphModelContent): Promise<void> {
  const { nodes, weights } = withJoinedWeights(
    Object.values(signatures).flatMap((graph) => graph.nodes),
    parameters,
  );
  const stored = [...weights].map(([name, tensor]) => storeWeight(name, tensor, precision));
  const constants = nodes.filter(({ op }) => op === 'Const').map(({ name, attr }) => storeWeight(name, valueOf(attr['value']!.tensor!), 'f32'));
  const all = [...stored, ...constants];
  const paths = await writeShards(folder, all);
  const tensors = (of: Readonly<Record<string, PortableTensor>>) => Object.fromEntries(Object.entries(of).map(([key, { tensor }]) => [key, tensor]));
  const info = (of: Readonly<Record<string, PortableTensor>>) =>
    Object.fromEntries(
      Object.entries(of).map(([key, { tensor, dtype, shape }]) => [
        key,
        { name: `${tensor}:0`, dtype: typeName(TF_TYPE[dtype]), tensorShape: shapeJson(shape) },
      ]),
    );
  const model = {
    format: 'graph-model',
    generatedBy,
    convertedBy: null,
    signature: { inputs: info(signatures[main]!.inputs), outputs: info(signatures[main]!.outputs) },
    userDefinedMetadata: {
      signatures: Object.fromEntries(
        Object.entries(signatures).map(([name, { inputs, outputs }]) => [name, { inputs: tensors(inputs), outputs: tensors(outputs) }]),
      ),
    },
    modelTopology: {
      node: [
        ...all.map(constNode),
        ...nodes
          .filter(({ op }) => op !== 'Const')
          .map(({ name, op, input, attr }) => ({
            name,
            op,
            input,
            attr: Object.fromEntries(Object.entries(attr).map(([key, value]) => [key, attrJson(value)])),
          })),
      ],
      library: {},
      versions: GRAPH_VERSIONS,
    },
    weightsManifest: [{ paths, weights: all.map(({ entry }) => entry) }],
  };
  await writeFile(join(folder, 'model.json'), JSON.stringify(model));
}

/** The ops without the parameters' placeholders. Parameters that are laid side by side become one weight: a graph model would join them at every run. */
function withJoinedWeights(all: readonly NodeDef[], parameters: HostTensors): { nodes: NodeDef[]; weights: Map<string, HostTensor> } {
  const byName = new Map(all.map((node) => [node.name, node]));
  const isParameter = (name: string) => parameters[name] !== undefined;
  const isFirstAxis = (name: string) => byName.get(name)?.op === 'Const' && valueOf(byName.get(name)!.attr['value']!.tensor!).data[0] === 0;
  const joined = new Map<string, string>();
  const weights = new Map<string, HostTensor>();
  for (const { name, op, input } of all) {
    const parts = input.slice(0, -1);
    if (op !== 'ConcatV2' || !parts.every(isParameter) || !isFirstAxis(input.at(-1)!)) continue;
    const weight = parts.join('+');
    joined.set(name, weight);
    if (!weights.has(weight)) weights.set(weight, concatenated(parts.map((part) => parameters[part]!)));
  }
  const nodes = [...byName.values()]
    .filter(({ name }) => !joined.has(name) && !isParameter(name))
    .map((node) => ({ ...node, input: node.input.map((name) => joined.get(name) ?? name) }));
  const isRead = new Set(nodes.flatMap(({ input }) => input));
  for (const name of isRead) if (isParameter(name)) weights.set(name, parameters[name]!);
  return { nodes: nodes.filter(({ name, op }) => op !== 'Const' || isRead.has(name)), weights };
}

function concatenated(tensors: readonly HostTensor[]): HostTensor {
  const [{ shape }] = tensors as [HostTensor];
  const data = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0));
  let at = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at);
    at += tensor.data.length;
  }
  return { dtype: 'float32', shape: [tensors.reduce((sum, tensor) => sum + tensor.shape[0]!, 0), ...shape.slice(1)], data };
}

async function writeShards(folder: string, stored: readonly StoredWeight[]): Promise<string[]> {
  const all = Buffer.concat(stored.map(({ bytes }) => bytes));
  const numShards = Math.max(1, Math.ceil(all.length / SHARD_BYTES));
  const paths = Array.from({ length: numShards }, (_, i) => `group1-shard${i + 1}of${numShards}.bin`);
  for (const [i, path] of paths.entries()) await writeFile(join(folder, path), all.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES));
  return paths;
}

/** The values of a constant; a single one stands for all. */
function valueOf({ dtype, tensorShape, tensorContent, floatVal = [], intVal = [], boolVal = [] }: TensorProto): HostTensor {
  const shape = tensorShape.dim.map(({ size }) => size);
  const size = shape.reduce((product, n) => product * n, 1);
  const content = tensorContent?.length ? new Uint8Array(tensorContent).buffer : undefined;
  const filled = (values: readonly (number | boolean)[]) => Array.from({ length: size }, (_, i) => Number(values[Math.min(i, values.length - 1)] ?? 0));
  if (dtype === TF_TYPE.float32) return { dtype: 'float32', shape, data: content ? new Float32Array(content) : Float32Array.from(filled(floatVal)) };
  if (dtype === TF_TYPE.int32) return { dtype: 'int32', shape, data: content ? new Int32Array(content) : Int32Array.from(filled(intVal)) };
  if (dtype === TF_TYPE.bool) return { dtype: 'bool', shape, data: content ? new Uint8Array(content) : Uint8Array.from(filled(boolVal)) };
  throw new Error(`a constant of TensorFlow's type ${dtype}`);
}

function constNode({ entry: { name, dtype, shape } }: StoredWeight): object {
  const type = typeName(TF_TYPE[dtype]);
  return { name, op: 'Const', attr: { dtype: { type }, value: { tensor: { dtype: type, tensorShape: shapeJson(shape) } } } };
}

const shapeJson = (shape: readonly number[]) => ({ dim: shape.map((size) => ({ size: String(size) })) });

const TYPE_NAMES: Readonly<Record<number, string>> = { 1: 'DT_FLOAT', 3: 'DT_INT32', 4: 'DT_UINT8', 7: 'DT_STRING', 9: 'DT_INT64', 10: 'DT_BOOL' };

function typeName(type: number): string {
  const name = TYPE_NAMES[type];
  if (name === undefined) throw new Error(`TensorFlow's type ${type} in a graph for TensorFlow.js`);
  return name;
}

/** An attribute as the JSON form of a GraphDef has it: types by name, whole numbers and bytes as text. */
function attrJson({ list, s, i, f, b, type, shape }: AttrValue): object {
  if (type !== undefined) return { type: typeName(type) };
  if (i !== undefined) return { i: String(i) };
  if (s !== undefined) return { s: Buffer.from(s).toString('base64') };
  if (shape !== undefined) return { shape: shapeJson(shape.dim.map(({ size }) => size)) };
  if (list !== undefined)
    return {
      list: Object.fromEntries(
        Object.entries(list as Record<string, readonly unknown[]>)
          .filter(([, values]) => values.length > 0)
          .map(([kind, values]) => [kind, kind === 'i' ? values.map(String) : values]),
      ),
    };
  return f !== undefined ? { f } : { b: b ?? false };
}
