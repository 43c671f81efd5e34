import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';

/** TensorBoard event files of one run. */
export interface EventWriter {
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  flush(): void;
}

interface SummaryFileWriter {
  scalar(name: string, value: number, step: number): void;
  flush(): void;
}

/** @returns undefined where TensorFlow is not native: only its library writes event files */
export function createEventWriter(folder: string): EventWriter | undefined {
  if (tf.getBackend() !== 'tensorflow') return undefined;
  const { node } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu') as { node: { summaryFileWriter(folder: string): SummaryFileWriter } };
  const writer = node.summaryFileWriter(folder);
  return {
    scalars(step, values) {
      for (const [name, value] of Object.entries(values)) writer.scalar(name, value, step);
    },
    flush: () => writer.flush(),
  };
}
