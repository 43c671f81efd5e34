import { join } from 'node:path';
import { ConfigError, SetupError, type ErrorFacts } from '../../errors.js';
import { cacheFolder } from '../../toolchain/cache-folder.js';
import { stageKey, stagedFolder } from './cache-folder.js';
import { hasNvidiaDriver } from './gpu.js';
import { glance } from './marker.js';
import { obstacle, thisPlatform } from './platform.js';
import type { Variant } from './release.js';

/** auto: native where it is set up, else WebAssembly, and says so. */
export const backendChoices = ['auto', 'native', 'wasm'] as const;
export type BackendChoice = (typeof backendChoices)[number];

export interface LoadOptions {
  /** Default: SCDIVA_BACKEND, else auto. */
  readonly backend?: BackendChoice;
  /** Told in one line why auto did not take native TensorFlow. Default: a warning of the process. */
  readonly notice?: (line: string) => void;
}

export interface LoadedBackend {
  readonly kind: 'native' | 'wasm';
  /** TensorFlow's own version, or the WebAssembly backend's. */
  readonly version: string;
  /** Where tensors are computed with. */
  readonly device: 'cpu' | 'gpu';
}

let loading: Promise<LoadedBackend> | undefined;

/**
 * Loads TensorFlow and makes it the active TensorFlow.js backend, once per process: later calls get what the first one loaded.
 * @throws SetupError when native is asked for and cannot be had; ConfigError when SCDIVA_BACKEND names no backend
 */
export async function loadTensorFlow(options: LoadOptions = {}): Promise<LoadedBackend> {
  const choice = options.backend ?? choiceOf(process.env['SCDIVA_BACKEND']);
  loading ??= load(choice, options.notice ?? ((line) => process.emitWarning(line, 'ScDiva')));
  const loaded = await loading.catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  if (choice !== 'auto' && choice !== loaded.kind) throw new Error(`the ${loaded.kind} backend is loaded already: a process has one`);
  return loaded;
}

async function load(choice: BackendChoice, notice: (line: string) => void): Promise<LoadedBackend> {
  if (choice === 'wasm') return loadWasm();
  try {
    return await loadNative();
  } catch (error) {
    if (!(error instanceof SetupError) || choice === 'native') throw error;
    notice(`no native TensorFlow, going on with the slower WebAssembly backend: ${error.message}`);
    return loadWasm();
  }
}

async function loadNative(): Promise<LoadedBackend> {
  const { folder } = requireStaged();
  const { loadNativeFolder } = await import('./native-backend.js');
  try {
    const { tf, version, hasGpu } = loadNativeFolder(folder);
    await tf.ready();
    return { kind: 'native', version, device: hasGpu ? 'gpu' : 'cpu' };
  } catch (error) {
    throw new SetupError({ file: folder, found: `TensorFlow cannot be loaded: ${firstLine(error)}`, hint: 'run: npx scdiva setup --force', cause: error });
  }
}

async function loadWasm(): Promise<LoadedBackend> {
  const { loadWasmBackend } = await import('./wasm-backend.js');
  return { kind: 'wasm', version: await loadWasmBackend(), device: 'cpu' };
}

function choiceOf(text: string | undefined): BackendChoice {
  if (!text) return 'auto';
  const choice = backendChoices.find((name) => name === text);
  if (!choice) throw new ConfigError({ key: 'SCDIVA_BACKEND', found: `no backend called ${text}`, expected: backendChoices.join(', ') });
  return choice;
}

/** In a staged folder. */
export const FRAMEWORK = 'tensorflow/libtensorflow_framework.so.2';

export interface StagedVariant {
  readonly variant: Variant;
  readonly folder: string;
}

/** The variant a process would load: CUDA where it is staged and a driver is there, else the CPU's, else CUDA after all (it has a CPU side). */
export function findStaged(cache = cacheFolder()): StagedVariant | null {
  const order: Variant[] = hasNvidiaDriver() ? ['cuda', 'cpu'] : ['cpu', 'cuda'];
  const variant = order.find((candidate) => glance(stagedFolder(candidate, cache), stageKey(candidate)) === null);
  return variant ? { variant, folder: stagedFolder(variant, cache) } : null;
}

function requireStaged(): StagedVariant {
  const never: Pick<ErrorFacts, 'found' | 'expected'> | null = obstacle(thisPlatform());
  if (never) throw new SetupError(never);
  const staged = findStaged();
  if (!staged) throw new SetupError({ found: 'native TensorFlow is not set up', hint: 'run: npx scdiva setup' });
  return staged;
}

/** The two libraries the native backend runs on, for those who call TensorFlow's C API: the same files, so the same process-wide state. */
export interface NativeLibraryPaths {
  /** libtensorflow_cc.so.2: graphs, sessions, ops, servers. */
  readonly cc: string;
  /** libtensorflow_framework.so.2: status, tensors. */
  readonly framework: string;
}

/**
 * Call `loadTensorFlow()` in the same process before opening them: the addon holds the libraries until the process ends, whereas
 * koffi unloads at exit what it alone has opened, and TensorFlow crashes when unloaded.
 * @throws SetupError when native TensorFlow is not set up
 */
export function nativeLibraryPaths(): NativeLibraryPaths {
  const { folder } = requireStaged();
  return { cc: join(folder, 'tensorflow/libtensorflow_cc.so.2'), framework: join(folder, FRAMEWORK) };
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
