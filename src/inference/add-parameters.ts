import type { HostTensor, Variables } from '../runtime/program/program.js';

/** Values that are read before they are handed over: few calls into TensorFlow, and little memory twice. */
const HANDOVER_BYTES = 32 * 2 ** 20;

/** Brings parameters from a checkpoint's file into TensorFlow, a few at a time. */
export async function addParameters(variables: Variables, parameters: AsyncIterable<readonly [name: string, tensor: HostTensor]>): Promise<void> {
  let waiting: Record<string, HostTensor> = {};
  let numBytes = 0;
  for await (const [name, tensor] of parameters) {
    waiting[name] = tensor;
    numBytes += tensor.data.byteLength;
    if (numBytes < HANDOVER_BYTES) continue;
    await variables.create(waiting);
    waiting = {};
    numBytes = 0;
  }
  await variables.create(waiting);
}
