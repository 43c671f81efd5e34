import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostTensor } from '../program.js';
import { GRAPH_VERSIONS, int, node, strings, type } from './nodes.js';
import type { PortableGraph, PortableTensor } from './portable-graph.js';
import { encodeProto, shapeProto, STRING_TYPE, type NodeDef } from './proto.js';
import { TF_TYPE } from '../graph/c-api.js';
import { writeTensorBundle } from './tensor-bundle.js';

/** An output that is a name instead of a number: row `index` of a list of names. */
export interface NamedOutput {
  /** The signature's numeric output that is looked up, int32. */
  readonly of: string;
  readonly names: readonly string[];
}

/** One thing a SavedModel can do. */
export interface ServedFunction {
  readonly graph: PortableGraph;
  /** Further outputs, by their names. */
  readonly names?: Readonly<Record<string, NamedOutput>>;
}

export interface SavedModelContent {
  readonly signatures: Readonly<Record<string, ServedFunction>>;
  /** dtype and shape of every parameter that any signature uses. */
  readonly parameters: Readonly<Record<string, Pick<HostTensor, 'dtype' | 'shape'>>>;
  /** Their values, in any order. */
  values(isWanted: (name: string) => boolean): AsyncIterable<readonly [name: string, tensor: HostTensor]>;
}

const VARIABLES = 'variables/variables';
/** Saver format with one index over all parts. */
const SAVER_VERSION = 2;

/**
 * Writes a SavedModel folder: saved_model.pb with the graph and its signatures under the tag `serve`, and variables/ with the parameters as
 * TensorFlow's checkpoint under their own names. Variables and not constants: a graph may not be larger than 2 GB, weights may, and they can
 * be read by name without the graph.
 */
export async function writeSavedModel(folder: string, { signatures, parameters, values }: SavedModelContent): Promise<void> {
  const functions = Object.values(signatures);
  const used = Object.keys(parameters).filter((name) => functions.some(({ graph }) => graph.parameters.includes(name)));
  const isParameter = new Set(used);
  const traced = functions.flatMap(({ graph, names = {} }) => [
    ...graph.nodes.filter(({ name }) => !isParameter.has(name)),
    ...Object.entries(names).flatMap(([key, named]) => lookup(graph, key, named)),
  ]);
  const nodes = [...used.flatMap((name) => variable(name, parameters[name]!)), ...saver(used, parameters), ...traced];
  const metaGraph = {
    metaInfoDef: { tags: ['serve'], metaGraphVersion: 'scdiva' },
    graphDef: { node: nodes, versions: GRAPH_VERSIONS },
    saverDef: { filenameTensorName: 'saver/filename:0', saveTensorName: 'saver/saved:0', restoreOpName: 'saver/restore_all', version: SAVER_VERSION },
    collectionDef: Object.fromEntries(['variables', 'trainable_variables'].map((key) => [key, { bytesList: { value: used.map(variableDef) } }])),
    signatureDef: Object.fromEntries(Object.entries(signatures).map(([key, served]) => [key, signatureDef(served)])),
  };
  await mkdir(join(folder, 'variables'), { recursive: true });
  await writeTensorBundle(
    join(folder, VARIABLES),
    values((name) => isParameter.has(name)),
  );
  await writeFile(join(folder, 'saved_model.pb'), encodeProto('SavedModel', { savedModelSchemaVersion: 1, metaGraphs: [metaGraph] }));
}

const handleOf = (name: string): string => `parameters/${name}`;
const assignOf = (name: string): string => `restore/${name}`;

/** A variable, read under the parameter's own name, where the traced functions look for it. */
function variable(name: string, { dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>): NodeDef[] {
  return [
    node(handleOf(name), 'VarHandleOp', [], {
      dtype: type(dtype),
      shape: { shape: shapeProto(shape) },
      shared_name: { s: Buffer.from(name) },
      container: { s: Buffer.alloc(0) },
    }),
    node(name, 'ReadVariableOp', [handleOf(name)], { dtype: type(dtype) }),
  ];
}

function variableDef(name: string): Uint8Array {
  return encodeProto('VariableDef', {
    variableName: `${handleOf(name)}:0`,
    initializerName: assignOf(name),
    snapshotName: `${name}:0`,
    isResource: true,
    trainable: true,
  });
}

/** What reads the variables from a checkpoint, and writes them to one; loaders feed the file's name. */
function saver(names: readonly string[], parameters: SavedModelContent['parameters']): NodeDef[] {
  const dtypes = { dtypes: { list: { type: names.map((name) => type(parameters[name]!.dtype).type) } } };
  const string = { type: STRING_TYPE };
  return [
    strings('saver/default_filename', 'model'),
    node('saver/filename', 'PlaceholderWithDefault', ['saver/default_filename'], { dtype: string, shape: { shape: shapeProto([]) } }),
    strings('saver/names', names),
    strings(
      'saver/slices',
      names.map(() => ''),
    ),
    node('saver/save', 'SaveV2', ['saver/filename', 'saver/names', 'saver/slices', ...names], dtypes),
    node('saver/saved', 'Identity', ['saver/filename', '^saver/save'], { T: string }),
    node('saver/restore', 'RestoreV2', ['saver/filename', 'saver/names', 'saver/slices'], dtypes),
    ...names.map((name, i) =>
      node(assignOf(name), 'AssignVariableOp', [handleOf(name), `saver/restore${i ? `:${i}` : ''}`], { dtype: type(parameters[name]!.dtype) }),
    ),
    node(
      'saver/restore_all',
      'NoOp',
      names.map((name) => `^${assignOf(name)}`),
    ),
  ];
}

/** Names instead of numbers. */
function lookup({ outputs }: PortableGraph, key: string, { of, names }: NamedOutput): NodeDef[] {
  const { tensor } = outputs[of]!;
  const [list, axis] = [`${tensor}/${key}_names`, `${tensor}/${key}_axis`];
  return [
    strings(list, names),
    int(axis, 0),
    node(namedTensor(tensor, key), 'GatherV2', [list, tensor, axis], {
      Tparams: { type: STRING_TYPE },
      Tindices: type('int32'),
      Taxis: type('int32'),
      batch_dims: { i: 0 },
    }),
  ];
}

const namedTensor = (tensor: string, key: string): string => `${tensor}/${key}`;

function signatureDef({ graph, names = {} }: ServedFunction): object {
  const info = (tensor: string, dtype: number, shape: readonly number[]) => ({ name: `${tensor}:0`, dtype, tensorShape: shapeProto(shape) });
  const infos = (tensors: Readonly<Record<string, PortableTensor>>) =>
    Object.fromEntries(Object.entries(tensors).map(([key, { tensor, dtype, shape }]) => [key, info(tensor, TF_TYPE[dtype], shape)]));
  const named = Object.entries(names).map(([key, { of }]) => [key, info(namedTensor(graph.outputs[of]!.tensor, key), STRING_TYPE, graph.outputs[of]!.shape)]);
  return { inputs: infos(graph.inputs), outputs: { ...infos(graph.outputs), ...Object.fromEntries(named) }, methodName: 'tensorflow/serving/predict' };
}
