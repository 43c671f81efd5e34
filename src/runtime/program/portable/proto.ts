import protobuf from 'protobufjs';

/**
 * The part of TensorFlow's protocol buffers that graphs and SavedModels are made of, with TensorFlow's own names and numbers; what is
 * not named here is left out when a message is read. Numbers of 64 bits are plain ones: shapes and small integers.
 */
const SCHEMA = `
  syntax = "proto3";
  package tensorflow;

  message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }
  message MetaGraphDef {
    message MetaInfoDef { string meta_graph_version = 1; repeated string tags = 4; string tensorflow_version = 5; bool stripped_default_attrs = 7; }
    MetaInfoDef meta_info_def = 1;
    GraphDef graph_def = 2;
    SaverDef saver_def = 3;
    map<string, CollectionDef> collection_def = 4;
    map<string, SignatureDef> signature_def = 5;
  }
  message SaverDef { string filename_tensor_name = 1; string save_tensor_name = 2; string restore_op_name = 3; int32 version = 7; }
  message CollectionDef { message BytesList { repeated bytes value = 1; } BytesList bytes_list = 2; }
  message VariableDef { string variable_name = 1; string initializer_name = 2; string snapshot_name = 3; bool is_resource = 5; string initial_value_name = 6; bool trainable = 7; }
  message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3; }
  message TensorInfo { string name = 1; int32 dtype = 2; TensorShapeProto tensor_shape = 3; }

  message GraphDef { repeated NodeDef node = 1; VersionDef versions = 4; }
  message VersionDef { int32 producer = 1; int32 min_consumer = 2; }
  message NodeDef { string name = 1; string op = 2; repeated string input = 3; string device = 4; map<string, AttrValue> attr = 5; }
  message AttrValue {
    message ListValue { repeated bytes s = 2; repeated int64 i = 3; repeated float f = 4; repeated bool b = 5; repeated int32 type = 6; repeated TensorShapeProto shape = 7; repeated TensorProto tensor = 8; }
    oneof value { ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6; TensorShapeProto shape = 7; TensorProto tensor = 8; }
  }
  message TensorShapeProto { message Dim { int64 size = 1; } repeated Dim dim = 2; bool unknown_rank = 3; }
  message TensorProto {
    int32 dtype = 1;
    TensorShapeProto tensor_shape = 2;
    bytes tensor_content = 4;
    repeated float float_val = 5;
    repeated int32 int_val = 7;
    repeated bytes string_val = 8;
    repeated bool bool_val = 11;
  }
`;

export interface TensorShapeProto {
  readonly dim: readonly { readonly size: number }[];
  readonly unknownRank?: boolean;
}
export interface TensorProto {
  readonly dtype: number;
  readonly tensorShape: TensorShapeProto;
  readonly tensorContent?: Uint8Array;
  readonly floatVal?: readonly number[];
  readonly intVal?: readonly number[];
  readonly stringVal?: readonly Uint8Array[];
  readonly boolVal?: readonly boolean[];
}
/** Exactly one of these is there. */
export interface AttrValue {
  readonly list?: object;
  readonly s?: Uint8Array;
  readonly i?: number;
  readonly f?: number;
  readonly b?: boolean;
  readonly type?: number;
  readonly shape?: TensorShapeProto;
  readonly tensor?: TensorProto;
}
/** An op of a graph. Inputs are `name` or `name:1` for a further output, `^name` for what must have run before. */
export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, AttrValue>>;
}
export interface GraphDef {
  readonly node: readonly NodeDef[];
  readonly versions: { readonly producer: number; readonly minConsumer: number };
}

const root = protobuf.parse(SCHEMA).root;

/** @param type name of a message above, without its package */
export function encodeProto(type: string, message: object): Uint8Array {
  const codec = root.lookupType(`tensorflow.${type}`);
  return codec.encode(codec.fromObject(message)).finish();
}

export function decodeGraphDef(bytes: Uint8Array): GraphDef {
  const codec = root.lookupType('tensorflow.GraphDef');
  const graph = codec.toObject(codec.decode(bytes), { longs: Number, arrays: true, objects: true }) as GraphDef;
  // TensorFlow writes attributes in no particular order: sorted, equal ops are equal bytes.
  return { ...graph, node: graph.node.map((node) => ({ ...node, attr: Object.fromEntries(Object.entries(node.attr).sort(([a], [b]) => (a < b ? -1 : 1))) })) };
}

/** The tensors behind a MetaGraphDef's signatures, as ops name their inputs. */
export function decodeSignatures(
  metaGraphDef: Uint8Array,
): Record<string, { readonly inputs: Record<string, string>; readonly outputs: Record<string, string> }> {
  const codec = root.lookupType('tensorflow.MetaGraphDef');
  type Tensors = Readonly<Record<string, { readonly name: string }>>;
  const { signatureDef } = codec.toObject(codec.decode(metaGraphDef), { objects: true }) as {
    signatureDef: Record<string, { readonly inputs: Tensors; readonly outputs: Tensors }>;
  };
  const names = (tensors: Tensors) => Object.fromEntries(Object.entries(tensors).map(([key, { name }]) => [key, name]));
  return Object.fromEntries(Object.entries(signatureDef).map(([key, { inputs, outputs }]) => [key, { inputs: names(inputs), outputs: names(outputs) }]));
}

/** TF_DataType of strings, which no program computes with. */
export const STRING_TYPE = 7;

export const shapeProto = (shape: readonly number[]): TensorShapeProto => ({ dim: shape.map((size) => ({ size })) });

/** The op of an input: `^op`, `op:1` → op. */
export const opOf = (input: string): string => input.replace(/^\^/, '').replace(/:\d+$/, '');
