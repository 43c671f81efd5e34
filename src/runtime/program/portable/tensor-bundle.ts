import type { HostTensor, HostTensors } from '../program.js';
import { openGraph } from './graph-session.js';
import { GRAPH_VERSIONS, node, strings, type } from './nodes.js';
import { shapeProto, type NodeDef } from './proto.js';

/** Values in memory at once, beside a tensor that is larger by itself. */
const PART_BYTES = 128 * 2 ** 20;

/**
 * Writes named tensors as TensorFlow's checkpoint format: `<prefix>.index` and `<prefix>.data-00000-of-0000N`. TensorFlow writes them, part by
 * part, so that weights larger than memory work.
 */
export async function writeTensorBundle(prefix: string, tensors: AsyncIterable<readonly [name: string, tensor: HostTensor]>): Promise<void> {
  const parts: string[] = [];
  let waiting: Record<string, HostTensor> = {};
  let numBytes = 0;
  const flush = async (): Promise<void> => {
    if (Object.keys(waiting).length === 0) return;
    const part = `${prefix}.part-${parts.length}`;
    await savePart(part, waiting);
    parts.push(part);
    waiting = {};
    numBytes = 0;
  };
  for await (const [name, tensor] of tensors) {
    if (numBytes > 0 && numBytes + tensor.data.byteLength > PART_BYTES) await flush();
    waiting[name] = tensor;
    numBytes += tensor.data.byteLength;
  }
  await flush();
  await runOnce(
    [strings('parts', parts), strings('prefix', prefix), node('merge', 'MergeV2Checkpoints', ['parts', 'prefix'], { delete_old_dirs: { b: false } })],
    {},
    'merge',
  );
}

async function savePart(prefix: string, tensors: HostTensors): Promise<void> {
  const entries = Object.entries(tensors);
  const placeholders = entries.map(([, { dtype, shape }], i) =>
    node(`tensor_${i}`, 'Placeholder', [], { dtype: type(dtype), shape: { shape: shapeProto(shape) } }),
  );
  const save = node('save', 'SaveV2', ['prefix', 'names', 'slices', ...placeholders.map(({ name }) => name)], {
    dtypes: { list: { type: entries.map(([, { dtype }]) => type(dtype).type) } },
  });
  const nodes = [
    strings('prefix', prefix),
    strings(
      'names',
      entries.map(([name]) => name),
    ),
    strings(
      'slices',
      entries.map(() => ''),
    ),
    ...placeholders,
    save,
  ];
  await runOnce(nodes, Object.fromEntries(entries.map(([, tensor], i) => [`tensor_${i}`, tensor])), 'save');
}

async function runOnce(nodes: readonly NodeDef[], feeds: HostTensors, target: string): Promise<void> {
  const session = openGraph({ node: nodes, versions: GRAPH_VERSIONS });
  try {
    await session.run(feeds, [], [target]);
  } finally {
    session.dispose();
  }
}
