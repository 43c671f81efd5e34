import { writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** The instructions of a pickle that the tests need, as bytes. */
export const op = {
  proto: Buffer.from([0x80, 2]),
  mark: Buffer.from('('),
  dict: Buffer.from('}'),
  list: Buffer.from(']'),
  tuple: Buffer.from('t'),
  emptyTuple: Buffer.from(')'),
  reduce: Buffer.from('R'),
  build: Buffer.from('b'),
  persistent: Buffer.from('Q'),
  setItem: Buffer.from('s'),
  none: Buffer.from('N'),
  no: Buffer.from([0x89]),
  stop: Buffer.from('.'),
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  text: (text: string) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return Buffer.concat([Buffer.from('X'), length, bytes]);
  },
  int: (value: number) => {
    const bytes = Buffer.alloc(10);
    bytes.write('\x8a\x08', 'latin1'); // LONG1 of 8 bytes: any count of values
    bytes.writeBigInt64LE(BigInt(value), 2);
    return bytes;
  },
};

export interface PickledTensor {
  readonly storage: string;
  readonly type?: string;
  readonly numStored: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
}

/** A state dict as torch.save pickles it: whatever is said of the tensors, true or not. */
export function pickleStateDict(tensors: Readonly<Record<string, PickledTensor>>): Buffer {
  const tuple = (...items: Buffer[]) => [op.mark, ...items, op.tuple];
  const counts = (values: readonly number[]) => tuple(...values.map(op.int));
  return Buffer.concat([
    op.proto,
    op.dict,
    ...Object.entries(tensors).flatMap(([name, { storage, type = 'FloatStorage', numStored, offset = 0, shape, strides = rowMajor(shape) }]) => [
      op.text(name),
      op.global('torch._utils', '_rebuild_tensor_v2'),
      op.mark,
      ...tuple(op.text('storage'), op.global('torch', type), op.text(storage), op.text('cpu'), op.int(numStored)),
      op.persistent,
      op.int(offset),
      ...counts(shape),
      ...counts(strides),
      op.no,
      op.global('collections', 'OrderedDict'),
      op.emptyTuple,
      op.reduce,
      op.tuple,
      op.reduce,
      op.setItem,
    ]),
    op.stop,
  ]);
}

export function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
}

export interface ZipPart {
  readonly name: string;
  readonly data: Uint8Array;
  /** What the directory says instead of the truth. */
  readonly claims?: { readonly method?: number; readonly size?: number; readonly compressedSize?: number; readonly offset?: number; readonly flags?: number };
}

/** A zip of stored entries, or of whatever they claim to be. */
export function zipOf(parts: readonly ZipPart[]): Buffer {
  const pieces: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, claims = {} } of parts) {
    const { method = 0, size = data.length, compressedSize = size, offset = at, flags = 0 } = claims;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(10, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(compressedSize, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, Buffer.from(name)]));
    pieces.push(local);
    at += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(parts.length, 8);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...pieces, central, end]);
}

/** A file of torch.save: the pickle and its storages. */
export async function writeTorchFile(path: string, pickle: Uint8Array, storages: Readonly<Record<string, ArrayBufferView>>): Promise<string> {
  const parts = Object.entries(storages).map(([key, { buffer, byteOffset, byteLength }]) => ({
    name: `model/data/${key}`,
    data: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength),
  }));
  await writeFile(path, zipOf([{ name: 'model/data.pkl', data: pickle }, { name: 'model/byteorder', data: Buffer.from('little') }, ...parts]));
  return path;
}
