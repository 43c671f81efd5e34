import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../../errors.js';
import { findCompiler } from '../native/addon.js';
import { cacheFolder } from '../native/cache-folder.js';
import { runCommand } from '../native/command.js';
import { thisMachine } from '../native/machine.js';

/** C++ sources of the ops, in the package's root. */
const SOURCES = fileURLToPath(new URL('../../../kernels/', import.meta.url));

/**
 * No -ffast-math: it would let the compiler assume that there is no NaN, and NaN is how a broken run is noticed. Sums are reordered only
 * where the sources say so (omp simd). Never unloaded (nodelete): TensorFlow keeps pointers into it until the process ends.
 */
const FLAGS = ['-std=c++17', '-O3', '-march=native', '-ffp-contract=fast', '-fno-math-errno', '-fno-trapping-math', '-fopenmp-simd', '-mprefer-vector-width=512', '-shared', '-fPIC', '-Wl,-z,nodelete', '-w'];

/** Where the library of this version for this kind of processor is, built or not. */
export async function kernelLibrary(cache = cacheFolder()): Promise<{ path: string; isBuilt: boolean }> {
  const { cpu } = thisMachine();
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, cpu.model, cpu.instructionSets]));
  for (const file of await sources()) hash.update(file).update(await readFile(join(SOURCES, file)));
  const path = join(cache, 'kernels', `${hash.digest('hex').slice(0, 24)}.so`);
  return { path, isBuilt: existsSync(path) };
}

/**
 * Compiles the ops for this processor (about five seconds), unless it has been done.
 * @param framework path of libtensorflow_framework.so.2
 * @returns path of the library
 * @throws SetupError when there is no compiler, or it fails
 */
export async function buildKernels(framework: string, { cache = cacheFolder(), signal }: { cache?: string; signal?: AbortSignal | undefined } = {}): Promise<string> {
  const { path, isBuilt } = await kernelLibrary(cache);
  if (isBuilt) return path;
  const { program } = await findCompiler();
  await mkdir(join(cache, 'kernels'), { recursive: true });
  // Beside its place and renamed: whoever looks finds a whole library or none.
  const draft = `${path}.${process.pid}`;
  try {
    const files = (await sources()).filter((file) => file.endsWith('.cc')).map((file) => join(SOURCES, file));
    const { code, stderr } = await runCommand(program, [...FLAGS, ...files, framework, '-o', draft], { signal });
    if (code !== 0) throw new SetupError({ found: `${program} cannot compile the kernels: ${stderr.split('\n').find((line) => /error/i.test(line)) ?? stderr.trim().split('\n').at(-1)}`, hint: 'a complete g++ 9 or newer is needed; CXX names another compiler; train.session.fusedKernels: false does without' });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return path;
}

const sources = async (): Promise<string[]> => (await readdir(SOURCES)).filter((file) => /\.(cc|h)$/.test(file)).sort();
