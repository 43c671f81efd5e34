import { beforeAll } from 'vitest';
import { loadTensorFlow } from '../../src/runtime/native/load.js';

/** Tensor tests call this at their top: native TensorFlow, loaded once per file. */
export function useTensorFlow(): void {
  beforeAll(async () => {
    await loadTensorFlow();
  });
}
