import { TF_TYPE } from '../graph/c-api.js';
import type { HostTensor } from '../program.js';
import { shapeProto, STRING_TYPE, type NodeDef } from './proto.js';

/** Ops that are written down by hand: what stands around a traced function in a file. */

export const type = (dtype: HostTensor['dtype']): { readonly type: number } => ({ type: TF_TYPE[dtype] });

export function node(name: string, op: string, input: readonly string[], attr: NodeDef['attr'] = {}): NodeDef {
  return { name, op, input, attr };
}

/** A vector of strings, or one string alone. */
export function strings(name: string, values: readonly string[] | string): NodeDef {
  const list = typeof values === 'string' ? [values] : values;
  const tensorShape = shapeProto(typeof values === 'string' ? [] : [list.length]);
  return node(name, 'Const', [], {
    dtype: { type: STRING_TYPE },
    value: { tensor: { dtype: STRING_TYPE, tensorShape, stringVal: list.map((text) => Buffer.from(text)) } },
  });
}

export function int(name: string, value: number): NodeDef {
  return node(name, 'Const', [], { dtype: type('int32'), value: { tensor: { dtype: TF_TYPE.int32, tensorShape: shapeProto([]), intVal: [value] } } });
}

/** TensorFlow 2.21 writes this; older releases read graphs that use no op newer than themselves. */
export const GRAPH_VERSIONS = { producer: 1882, minConsumer: 0 } as const;
