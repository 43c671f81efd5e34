import { fileURLToPath } from 'node:url';
import { dirname } from 'node:path';
import { ScDivaError } from '../../../errors.js';

/** A function cannot become a graph: it reads a value, draws a random number, or asks for an op that TensorFlow refuses. A mistake in code, not of a user. */
export class TraceError extends ScDivaError {
  override readonly exitCode = 1;

  constructor(op: string, found: string, hint?: string) {
    super({ key: op, found: `${found}, ${callSite()}`, hint });
  }
}

const ownFolder = dirname(fileURLToPath(import.meta.url));
const FRAMES = 60;

/** `at attention (ops/attention.js:41:9)`: the nearest caller that is neither TensorFlow.js nor this folder. */
function callSite(): string {
  const depth = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = depth;
  const foreign = frames.find((frame) => !frame.includes('/node_modules/@tensorflow/') && !frame.includes(`${ownFolder}/`) && !frame.includes('(<anonymous>)'));
  return foreign ? foreign.trim().replace('file://', '') : 'at an unknown place';
}
