import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../errors.js';
import { cacheFolder } from './cache-folder.js';
import { runCommand } from './command.js';
import { findCompiler } from './compiler.js';
import { instructionSets, parseCpuInfo } from './cpu-info.js';

/** C++ of this package that is compiled where it runs, for the processor it runs on. */
export interface Library {
  /** Folder of its sources in the package's root; its name in the cache, too. */
  readonly name: string;
  readonly flags: readonly string[];
  /** What to do without where it cannot be compiled. */
  readonly without: string;
}

export interface LibraryPlace {
  readonly path: string;
  readonly isBuilt: boolean;
}

/**
 * No -ffast-math: it would let the compiler assume that there is no NaN, and NaN is how a broken run is noticed. Sums are reordered only
 * where the sources say so (omp simd). Never unloaded (nodelete): whoever loaded it keeps pointers into it until the process ends.
 */
const FLAGS = [
  '-std=c++17',
  '-O3',
  '-march=native',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fopenmp-simd',
  ...(process.arch === 'x64' ? ['-mprefer-vector-width=512'] : []),
  '-shared',
  '-fPIC',
  '-Wl,-z,nodelete',
  '-w',
];

/** Where the library of this version for this kind of processor is, built or not. */
export async function libraryPlace(library: Library, cache = cacheFolder()): Promise<LibraryPlace> {
  const { model, flags } = parseCpuInfo(cpuInfo());
  const hash = createHash('sha256').update(JSON.stringify([allFlags(library), model, instructionSets(flags)]));
  for (const file of await sources(library)) hash.update(basename(file)).update(await readFile(file));
  const path = join(cache, library.name, `${hash.digest('hex').slice(0, 24)}.so`);
  return { path, isBuilt: existsSync(path) };
}

export interface CompileOptions {
  readonly cache?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compiles a library for this processor (a few seconds), unless it has been done.
 * @param inputs libraries it is linked with
 * @returns its path
 * @throws SetupError when there is no compiler, or it fails
 */
export async function compileLibrary(library: Library, inputs: readonly string[], { cache = cacheFolder(), signal }: CompileOptions = {}): Promise<string> {
  const { path, isBuilt } = await libraryPlace(library, cache);
  if (isBuilt) return path;
  const { program } = await findCompiler();
  await mkdir(dirname(path), { recursive: true });
  // Beside its place and renamed: whoever looks finds a whole library or none.
  const draft = `${path}.${process.pid}.${++numDrafts}`;
  try {
    const files = (await sources(library)).filter((file) => file.endsWith('.cc'));
    const { code, stderr } = await runCommand(program, [...allFlags(library), ...files, ...inputs, '-o', draft], { signal });
    if (code !== 0)
      throw new SetupError({
        found: `${program} cannot compile ${library.name}/: ${stderr.split('\n').find((line) => /error/i.test(line)) ?? stderr.trim().split('\n').at(-1)}`,
        hint: `a complete g++ 9 or newer is needed; CXX names another compiler; ${library.without}`,
      });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return path;
}

let numDrafts = 0;

const allFlags = ({ flags }: Library): readonly string[] => [...FLAGS, ...flags];

async function sources({ name }: Library): Promise<string[]> {
  const folder = fileURLToPath(new URL(`../../${name}/`, import.meta.url));
  return (await readdir(folder))
    .filter((file) => /\.(cc|h)$/.test(file))
    .sort()
    .map((file) => join(folder, file));
}

function cpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
