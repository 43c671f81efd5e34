import { CheckpointError } from '../../errors.js';
import { openFile } from '../../files.js';
import type { HostTensor } from '../../runtime/program/program.js';
import { SAFETENSORS_DTYPES, type SafetensorsDtype } from '../safetensors-header.js';
import { decodeTensor } from '../tensor-bytes.js';
import type { WeightsFile } from '../weights-file.js';
import { MAX_PICKLE_BYTES } from './pickle.js';
import { parseStateDict } from './state-dict.js';
import { extentOf, gather, isContiguous, sizeOf, type StoredTensor } from './storages.js';
import { ZipArchive, type ZipEntry } from './zip-archive.js';

const ZIP_MAGIC = Buffer.from('PK\x03\x04', 'latin1');
/** A pickle of PyTorch's own magic number: how files began before version 1.6. */
const LEGACY_MAGIC = Buffer.from([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);

/**
 * A file written by `torch.save` of PyTorch 1.6 or later: a zip of one pickle and one entry a storage. The pickle is read as data
 * (`unpickle`), tensors are read from their storages one by one.
 */
export class PyTorchFile implements WeightsFile {
  private constructor(
    private readonly archive: ZipArchive,
    private readonly tensors: ReadonlyMap<string, StoredTensor>,
    private readonly storages: ReadonlyMap<string, ZipEntry>,
  ) {}

  /** @throws CheckpointError when it is another kind of file, damaged, or holds what is not data */
  static async open(path: string): Promise<PyTorchFile> {
    await checkMagic(path);
    const archive = await ZipArchive.open(path);
    try {
      const { names } = archive;
      const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
      if (pickles.length !== 1)
        throw new CheckpointError({ file: path, found: `${pickles.length} entries data.pkl`, expected: 'one: a file as torch.save writes it' });
      const root = pickles[0]!.slice(0, -'data.pkl'.length);
      const entry = (name: string): ZipEntry | undefined => archive.entry(root + name);
      if (names.includes(`${root}constants.pkl`) || names.some((name) => name.startsWith(`${root}code/`)))
        throw new CheckpointError({
          file: path,
          found: 'a TorchScript program',
          expected: 'weights alone',
          hint: 'save them with torch.save(model.state_dict(), …)',
        });
      const order = entry('byteorder');
      if (order && Buffer.from(await archive.read(order, 0, Math.min(order.length, 16))).toString('latin1') !== 'little')
        throw new CheckpointError({ file: path, key: 'byteorder', found: 'not little', hint: 'save it on a little-endian machine' });
      const pickle = entry('data.pkl')!;
      if (pickle.length > MAX_PICKLE_BYTES)
        throw new CheckpointError({ file: path, key: 'data.pkl', found: `${pickle.length} bytes`, expected: `at most ${MAX_PICKLE_BYTES}` });
      const tensors = parseStateDict(await archive.read(pickle), path, (key) => entry(`data/${key}`)?.length);
      return new PyTorchFile(archive, tensors, new Map([...tensors.values()].map(({ storage }) => [storage.key, entry(`data/${storage.key}`)!])));
    } catch (error) {
      await archive.close();
      throw error;
    }
  }

  get path(): string {
    return this.archive.path;
  }

  get files(): readonly string[] {
    return [this.path];
  }

  get names(): readonly string[] {
    return [...this.tensors.keys()];
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  entry(name: string): { readonly dtype: SafetensorsDtype; readonly shape: readonly number[] } {
    const { storage, shape } = this.tensor(name);
    return { dtype: storage.dtype, shape };
  }

  async read(name: string): Promise<HostTensor> {
    const stored = this.tensor(name);
    const { storage, offset, shape } = stored;
    const width = SAFETENSORS_DTYPES[storage.dtype];
    const numValues = isContiguous(stored) ? sizeOf(shape) : extentOf(stored)!;
    const bytes = await this.archive.read(this.storages.get(storage.key)!, offset * width, (offset + numValues) * width);
    const decoded = decodeTensor(
      bytes.buffer,
      storage.dtype,
      (found) => new CheckpointError({ file: this.path, key: name, found, expected: 'values that fit int32' }),
    );
    return { dtype: decoded.dtype, shape, data: isContiguous(stored) ? decoded.data : gather(decoded.data, stored) };
  }

  async close(): Promise<void> {
    await this.archive.close();
  }

  private tensor(name: string): StoredTensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new CheckpointError({ file: this.path, key: name, found: 'no such tensor' });
    return tensor;
  }
}

async function checkMagic(path: string): Promise<void> {
  const handle = await openFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new CheckpointError({ file: path, found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`, cause });
  });
  try {
    const start = Buffer.alloc(LEGACY_MAGIC.length);
    await handle.read(start, 0, start.length, 0);
    if (start.equals(LEGACY_MAGIC))
      throw new CheckpointError({
        file: path,
        found: 'the format of PyTorch before 1.6',
        hint: 'load it with PyTorch and save its state dict again with torch.save or safetensors',
      });
    if (!start.subarray(0, 4).equals(ZIP_MAGIC))
      throw new CheckpointError({ file: path, found: 'not a file of PyTorch', expected: 'the zip format that torch.save writes since 1.6' });
  } finally {
    await handle.close();
  }
}
