import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { CheckpointError, OutputError } from '../../src/errors.js';
import { readSafetensors, SafetensorsFile, writeSafetensors } from '../../src/model/safetensors.js';
import type { HostTensors } from '../../src/runtime/program/program.js';
import { expectClose } from '../support/expect-close.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'scdiva-safetensors-'))));
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

/** A file with that header text and data, as any writer might make it. */
async function craft(name: string, header: unknown, data: Uint8Array = new Uint8Array()): Promise<string> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  await writeFile(at(name), Buffer.concat([prefix, text, data]));
  return at(name);
}

const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const one = (dtype: string, array: ArrayBufferView, shape: number[]) =>
  craft('one', { x: { dtype, shape, data_offsets: [0, array.byteLength] } }, bytes(array));

describe('safetensors', () => {
  it('reads back what it wrote, bit for bit, order and metadata included', async () => {
    const tensors: HostTensors = {
      'z.weight': { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, -0, Infinity, 1e-45, 3.4e38, -2) },
      a: { dtype: 'int32', shape: [], data: Int32Array.of(-7) },
      is: { dtype: 'bool', shape: [3], data: Uint8Array.of(0, 1, 1) },
      empty: { dtype: 'float32', shape: [0, 4], data: new Float32Array() },
    };
    await writeSafetensors(at('round'), tensors, { format: 'pt' });
    const file = await SafetensorsFile.open(at('round'));
    expect(file.names).toEqual(['z.weight', 'a', 'is', 'empty']);
    expect(file.metadata).toEqual({ format: 'pt' });
    await file.close();
    const back = await readSafetensors(at('round'));
    for (const [name, tensor] of Object.entries(tensors)) {
      expect(back[name]).toEqual(tensor);
      expect([...bytes(back[name]!.data)]).toEqual([...bytes(tensor.data)]);
    }
  });

  it('keeps any float32 array (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.float32Array({ maxLength: 9 }), fc.string(), async (data, name) => {
        fc.pre(name !== '__metadata__' && name !== '__proto__');
        await writeSafetensors(at('property'), { [name]: { dtype: 'float32', shape: [data.length], data } });
        expect([...bytes((await readSafetensors(at('property')))[name]!.data)]).toEqual([...bytes(data)]);
      }),
      { numRuns: 30 },
    );
  });

  it('widens half precision, bfloat16 and narrow integers', async () => {
    const read = async (dtype: string, array: ArrayBufferView & { length: number }) => (await readSafetensors(await one(dtype, array, [array.length])))['x']!;
    expectClose(
      await read('F16', Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000)),
      { dtype: 'float32', shape: [6], data: [1, -2, 2 ** -24, 65504, Infinity, -0] },
      {},
    );
    expect((await read('F16', Uint16Array.of(0x7e00))).data[0]).toBeNaN();
    expectClose(await read('BF16', Uint16Array.of(0x3f80, 0xc040, 0x0000)), { dtype: 'float32', shape: [3], data: [1, -3, 0] }, {});
    expectClose(await read('F64', Float64Array.of(0.1)), { dtype: 'float32', shape: [1], data: [Math.fround(0.1)] }, {});
    expectClose(await read('I64', BigInt64Array.of(-5n, 2n ** 31n - 1n)), { dtype: 'int32', shape: [2], data: [-5, 2 ** 31 - 1] }, {});
    expectClose(await read('I16', Int16Array.of(-300)), { dtype: 'int32', shape: [1], data: [-300] }, {});
    expectClose(await read('U8', Uint8Array.of(200)), { dtype: 'int32', shape: [1], data: [200] }, {});
    await expect(read('I64', BigInt64Array.of(2n ** 31n))).rejects.toThrow(
      'one: x: the integer 2147483648 (expected values that fit int32)'.replace('one', at('one')),
    );
  });

  const f32 = (offsets: number[], shape: number[]) => ({ dtype: 'F32', shape, data_offsets: offsets });
  const damaged: [name: string, header: unknown, numBytes: number, message: RegExp][] = [
    ['an unknown type', { x: { dtype: 'Q4', shape: [1], data_offsets: [0, 4] } }, 4, /x: dtype "Q4" \(expected F64, F32/],
    ['bytes that do not fit the shape', { x: f32([0, 4], [2]) }, 4, /x: 4 bytes \(expected 8 for F32 \[2\]\)/],
    ['negative sizes', { x: f32([0, 4], [-1]) }, 4, /x: shape \[-1\]/],
    ['descending offsets', { x: f32([4, 0], [1]) }, 4, /x: data_offsets \[4,0\]/],
    ['overlapping tensors', { x: f32([0, 8], [2]), y: f32([4, 12], [2]) }, 12, /y: begins at byte 4 of the data \(expected 8/],
    ['a hole between tensors', { x: f32([0, 4], [1]), y: f32([8, 12], [1]) }, 12, /y: begins at byte 8/],
    ['a truncated end', { x: f32([0, 4], [1]), y: f32([4, 12], [2]) }, 10, /y: the file ends 2 bytes too early \(it is truncated/],
    ['bytes behind the last tensor', { x: f32([0, 4], [1]) }, 6, /2 bytes behind the last tensor/],
    [
      'one name twice',
      '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y\\"":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /x: named twice/,
    ],
    ['a header that is no JSON', '{"x":', 0, /header: not JSON/],
    ['a header that is a list', '[]', 0, /header: not a JSON object/],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0, /__metadata__: \{"a":1\}/],
  ];
  it.each(damaged)('refuses %s, naming file and tensor', async (_, header, numBytes, message) => {
    const path = await craft('damaged', header, new Uint8Array(numBytes));
    const error = await readSafetensors(path).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message.startsWith(`${path}: `)).toBe(true);
  });

  it('refuses a missing, an empty and a foreign file', async () => {
    await expect(readSafetensors(at('nowhere'))).rejects.toThrow(/nowhere: no such file/);
    await writeFile(at('empty'), '');
    await expect(readSafetensors(at('empty'))).rejects.toThrow(/0 bytes \(the file is truncated or no .safetensors file\)/);
    await writeFile(at('text'), 'this is not a tensor file at all');
    await expect(readSafetensors(at('text'))).rejects.toThrow(/a header of \d+ bytes in a file of 32/);
  });

  it('names the tensor a shortened copy lost', async () => {
    const tensor = { dtype: 'float32', shape: [100], data: new Float32Array(100) } as const;
    await writeSafetensors(at('short'), { first: tensor, second: tensor });
    await truncate(at('short'), 700);
    await expect(readSafetensors(at('short'))).rejects.toThrow(/second: the file ends \d+ bytes too early/);
  });

  it('leaves nothing behind when the path cannot be written', async () => {
    await writeFile(at('file'), '');
    await expect(writeSafetensors(at('file/model'), {})).rejects.toThrow(OutputError);
    expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });
});
