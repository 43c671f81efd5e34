import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors.js';
import { PyTorchFile } from '../../../src/model/pytorch/pytorch-file.js';
import { readSafetensors } from '../../../src/model/safetensors.js';
import type { HostTensors } from '../../../src/runtime/program/program.js';
import { op, pickleStateDict, rowMajor, writeTorchFile, zipOf, type PickledTensor } from '../../support/torch-file.js';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const golden = (name: string): string => join(fixtures, 'pytorch', name);

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'scdiva-pytorch-'))));
afterAll(() => rm(folder, { recursive: true }));

async function readAll(path: string): Promise<HostTensors> {
  const file = await PyTorchFile.open(path);
  try {
    return Object.fromEntries(await Promise.all(file.names.map(async (name) => [name, await file.read(name)] as const)));
  } finally {
    await file.close();
  }
}

/** One line, exit 2, of this project's own making. */
async function refusal(path: string): Promise<string> {
  const error = await readAll(path).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  expect(error!.message).not.toContain('\n');
  return error!.message;
}

describe('files that PyTorch wrote', () => {
  it('holds the same numbers as the safetensors they were made from, nested, transposed and in a shared storage', async () => {
    expect(await readAll(golden('nested.pt'))).toEqual(await readSafetensors(join(fixtures, 'parity-small/model.safetensors')));
  });

  it('widens float16 and bfloat16 to what safetensors would have read', async () => {
    const whole = await readSafetensors(join(fixtures, 'parity-small/model.safetensors'));
    const half = await readAll(golden('f16.pth'));
    const bf16 = await readAll(golden('bf16.bin'));
    for (const [name, { shape, data }] of Object.entries(whole)) {
      expect(half[name]!.shape).toEqual(shape);
      expect(bf16[`module.${name}`]!.shape).toEqual(shape);
      data.forEach((x, i) => {
        expect(Math.abs(half[name]!.data[i]! - x), name).toBeLessThanOrEqual(Math.abs(x) * 2 ** -11 + 2 ** -25);
        expect(Math.abs(bf16[`module.${name}`]!.data[i]! - x), name).toBeLessThanOrEqual(Math.abs(x) * 2 ** -8 + 1e-38);
      });
    }
  });

  it.each([
    ['legacy.pt', /legacy\.pt: the format of PyTorch before 1\.6 \(load it with PyTorch and save its state dict again/],
    ['module.pt', /module\.pt: the pickle names torch\.nn\.modules\.linear\.Linear, which is not allowed: nothing of it was run/],
    ['script.pt', /script\.pt: a TorchScript program \(expected weights alone/],
    ['system.pt', /system\.pt: the pickle names posix\.system, which is not allowed: nothing of it was run/],
    ['expanded.pt', /expanded\.pt: data\.pkl: a tensor of shape \[536870912\] in a storage of 1 values/],
  ])('refuses %s in one line', async (name, message) => {
    expect(await refusal(golden(name))).toMatch(message);
  });
});

describe('a file of torch.save', () => {
  it('gives back any view of any storage (property)', async () => {
    const tensor = fc.record({
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      axes: fc.infiniteStream(fc.nat()),
      offset: fc.nat(5),
      type: fc.constantFrom('FloatStorage', 'DoubleStorage', 'IntStorage', 'ByteStorage'),
    });
    await fc.assert(
      fc.asyncProperty(tensor, async ({ shape, axes, offset, type }) => {
        // Strides of a row-major tensor whose axes were shuffled afterwards.
        const order = shape.map((_, axis) => axis).sort(() => ((axes.next().value as number) % 3) - 1);
        const strides = new Array<number>(shape.length);
        rowMajor(order.map((axis) => shape[axis]!)).forEach((stride, i) => (strides[order[i]!] = stride));
        const size = shape.reduce((product, n) => product * n, 1);
        const stored = Array.from({ length: offset + size }, (_, i) => i + 1);
        const data = { FloatStorage: Float32Array, DoubleStorage: Float64Array, IntStorage: Int32Array, ByteStorage: Uint8Array }[type]!.from(stored);
        const path = await writeTorchFile(
          join(folder, 'property.pt'),
          pickleStateDict({ x: { storage: '0', type, numStored: stored.length, offset, shape, strides } }),
          { 0: data },
        );
        const { x } = await readAll(path);
        const indexOf = (flat: number): number =>
          rowMajor(shape).reduce((at, step, axis) => at + (Math.floor(flat / step) % shape[axis]!) * strides[axis]!, offset);
        expect(x!.shape).toEqual(shape);
        expect([...x!.data]).toEqual(Array.from({ length: size }, (_, i) => stored[indexOf(i)]));
      }),
      { numRuns: 40 },
    );
  });

  const one: PickledTensor = { storage: '0', numStored: 4, shape: [2, 2] };
  it.each<[string, Partial<PickledTensor>, RegExp]>([
    ['more values than its storage', { shape: [3, 2] }, /a tensor of shape \[3, 2\] in a storage of 4 values/],
    ['an end behind its storage', { offset: 1 }, /a tensor that ends at value 5 of a storage of 4/],
    ['strides that leave its storage', { strides: [3, 1] }, /a tensor that ends at value 5 of a storage of 4/],
    ['strides that repeat values', { strides: [1, 1] }, /which repeats stored values/],
    ['negative sizes', { shape: [-1, 4] }, /a tensor without storage, shape or strides/],
    [
      'sizes whose product overflows',
      { shape: [2 ** 31, 2 ** 31, 4], strides: [4, 4, 1] },
      /a tensor of shape \[2147483648, 2147483648, 4\] in a storage of 4 values/,
    ],
    ['2 GB that the file does not have', { shape: [2 ** 29], numStored: 2 ** 29 }, /storage 0 of 16 bytes \(expected 2147483648 for 536870912 values of F32/],
    ['a storage that is not there', { storage: '7' }, /no entry data\/7 for a storage of 4 values/],
    ['a storage named by a path', { storage: '../../../etc/passwd' }, /no entry data\/\.\.\/\.\.\/\.\.\/etc\/passwd/],
    ['a storage of another type', { type: 'DoubleStorage' }, /storage 0 of 16 bytes \(expected 32 for 4 values of F64/],
    ['an unknown type', { type: 'QInt8Storage' }, /the pickle names torch\.QInt8Storage, which is not allowed/],
  ])('is refused for %s, before any of it is allocated', async (_, wrong, message) => {
    const path = await writeTorchFile(join(folder, 'wrong.pt'), pickleStateDict({ x: { ...one, ...wrong } }), { 0: Float32Array.of(1, 2, 3, 4) });
    expect(await refusal(path)).toMatch(message);
  });

  const harm = (...steps: Buffer[]) => Buffer.concat([op.proto, ...steps, op.stop]);
  it.each<[string, Buffer, RegExp]>([
    [
      'os.system',
      harm(op.global('os', 'system'), op.mark, op.text('id'), op.tuple, op.reduce),
      /names os\.system, which is not allowed: nothing of it was run/,
    ],
    ['eval by another road', harm(op.text('builtins'), op.text('eval'), Buffer.from([0x93])), /names builtins\.eval, which/],
    ['a name of the prototype', harm(op.global('constructor', '')), /names constructor\., which/],
    ['a name that would break the line', harm(op.global('os\rx\u001b[2J', 'y')), /names os\?x\?\[2J\.y, which/],
    ['an instance of a class', harm(op.global('collections', 'OrderedDict'), op.emptyTuple, Buffer.from([0x81])), /instruction 0x81/],
    [
      'an ordered dict of arguments',
      harm(op.global('collections', 'OrderedDict'), op.mark, op.list, op.tuple, op.reduce),
      /an ordered dict made from arguments/,
    ],
    ['a call of a type', harm(op.global('torch', 'FloatStorage'), op.emptyTuple, op.reduce), /a call of torch\.FloatStorage/],
    ['a number of 255 bytes', Buffer.from([0x80, 2, 0x8a, 255]), /a number of 255 bytes/],
    ['a text longer than the file', Buffer.from([0x80, 2, 0x58, 255, 255, 255, 127]), /ends after 7 bytes, in the middle/],
    ['an empty stack', Buffer.from([0x80, 2, 0x2e]), /takes what is not there/],
    ['protocol 0', Buffer.from('(lp0\n.'), /instruction 0x6c/],
    ['tensors of no name', harm(op.dict), /no tensors, only an empty dict/],
    ['no dict at all', harm(op.none), /no dict of tensors/],
  ])('is refused for a pickle with %s', async (_, pickle, message) => {
    expect(await refusal(await writeTorchFile(join(folder, 'harm.pt'), pickle, {}))).toMatch(message);
  });

  const pickle = { name: 'model/data.pkl', data: pickleStateDict({ x: one }) };
  const values = { name: 'model/data/0', data: new Uint8Array(16) };
  it.each([
    ['a compressed entry', [pickle, { ...values, claims: { method: 8 } }], /model\/data\/0: a compressed entry/],
    ['an encrypted entry', [pickle, { ...values, claims: { flags: 1, size: 4, compressedSize: 16 } }], /an encrypted entry/],
    ['a name that climbs out', [pickle, { ...values, name: '../../etc/cron.d/x' }], /no readable zip file: invalid relative path: \.\.\/\.\.\/etc\/cron\.d\/x/],
    ['an absolute name', [pickle, { ...values, name: '/etc/passwd' }], /no readable zip file: absolute path: \/etc\/passwd/],
    [
      'entries in the same bytes',
      [pickle, values, { ...values, name: 'model/data/1', claims: { offset: pickle.data.length + 30 + pickle.name.length } }],
      /belong to another entry as well/,
    ],
    ['an entry larger than the file', [pickle, { ...values, claims: { size: 2 ** 31 } }], /./],
    ['two entries of one name', [pickle, values, values], /named twice/],
    ['no pickle', [values], /0 entries data\.pkl/],
    ['two pickles', [pickle, { ...pickle, name: 'other/data.pkl' }], /2 entries data\.pkl/],
    ['big-endian storages', [pickle, values, { name: 'model/byteorder', data: Buffer.from('big') }], /byteorder: not little/],
  ])('is refused for %s', async (_, parts, message) => {
    const path = join(folder, 'zip.pt');
    await writeFile(path, zipOf(parts));
    expect(await refusal(path)).toMatch(message);
  });

  it('is either read or refused in one line, wherever bytes of it are changed (fuzz)', async () => {
    const original = await readFile(golden('bf16.bin'));
    const path = join(folder, 'fuzz.pt');
    const change = fc.record({ at: fc.nat(original.length - 1), byte: fc.integer({ min: 0, max: 255 }) });
    let numRefused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(original.length)), async (changes, cut) => {
        const bytes = Buffer.from(original);
        // The pickle is a seventh of the file: half of the changes go there.
        for (const { at, byte } of changes) bytes[at % 2 ? at : at % 5000] = byte;
        await writeFile(path, cut === null ? bytes : bytes.subarray(0, cut));
        const error = await readAll(path).then(
          () => undefined,
          (error: unknown) => error as Error,
        );
        if (error === undefined) return;
        numRefused++;
        expect(error, error.stack ?? '').toBeInstanceOf(CheckpointError);
        expect(error.message).not.toContain('\n');
      }),
      { numRuns: 150 },
    );
    expect(numRefused).toBeGreaterThan(20);
  });

  it('keeps fixtures small', async () => {
    expect((await stat(golden('nested.pt'))).size).toBeLessThan(100_000);
  });
});
