import { beforeAll } from 'vitest';
import { findStaged, loadTensorFlow } from '../../src/runtime/native/load.js';

/** Tensor tests call this at their top: TensorFlow, loaded once per file; native, or WebAssembly where native cannot be had. */
export function useTensorFlow(): void {
  beforeAll(async () => {
    await loadTensorFlow({ notice: (line) => console.warn(line) });
  });
}

/** Graphs, bfloat16 and TensorBoard are native TensorFlow's alone: their tests are `runIf(hasNative)`. */
export const hasNative = process.env['SCDIVA_BACKEND'] !== 'wasm' && findStaged() !== null;
if (!hasNative) console.warn('SKIPPED, out loud: no native TensorFlow (npx scdiva setup); tests of what it alone can do are not run');

/** The executors there are here, for tests that hold on each. */
export const executorKinds: readonly ('eager' | 'graph')[] = hasNative ? ['eager', 'graph'] : ['eager'];
