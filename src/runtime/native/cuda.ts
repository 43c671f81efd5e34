import { existsSync } from 'node:fs';
import { readFile, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { koffi } from './foreign.js';
import { cudaWheels } from './release.js';
import { requirementsOf, unmet } from './requirements.js';

/** The pins in release.ts are chosen by hand: hold them against what the TensorFlow wheel itself asks for. */
export async function checkCudaPins(folder: string): Promise<void> {
  const info = (await readdir(folder)).find((name) => /^tensorflow-.*\.dist-info$/.test(name));
  const requirements = requirementsOf(await readFile(join(folder, info!, 'METADATA'), 'utf8'), 'and-cuda');
  const flaw = requirements.length === 0 ? 'the wheel names no CUDA packages' : unmet(requirements, cudaWheels);
  if (flaw) throw new Error(`pinned CUDA wheels do not fit TensorFlow: ${flaw}`);
}

/**
 * TensorFlow finds NVIDIA's libraries by run paths relative to itself, all but one: the library that looks for cuSOLVER has no run
 * path to it, and without cuSOLVER no GPU is used at all. A link beside cuBLAS, which has one, mends that.
 */
export async function linkSolver(folder: string): Promise<void> {
  await symlink('../../cusolver/lib/libcusolver.so.11', join(folder, 'nvidia/cublas/lib/libcusolver.so.11'));
}

/**
 * Does TensorFlow's own search find every CUDA library it wants before it uses a GPU? The answer needs neither GPU nor driver.
 * @returns null for a folder without CUDA
 */
export function findsCudaLibraries(folder: string): boolean | null {
  if (!existsSync(join(folder, 'nvidia'))) return null;
  const framework = koffi.load(join(folder, 'tensorflow/libtensorflow_framework.so.2'));
  // absl::Status tsl::internal::DsoLoader::TryDlopenCUDALibraries(): a C++ function gets the place of such a result as a hidden
  // first argument, and a status of 1 is "OK".
  const tryAll = framework.func('_ZN3tsl8internal9DsoLoader22TryDlopenCUDALibrariesEv', 'void', ['void *']) as (status: BigUint64Array) => void;
  const status = new BigUint64Array(1);
  tryAll(status);
  return status[0] === 1n;
}
