import type { Provenance } from '../inference/annotations.js';
import type { CheckpointDescription } from '../inference/describe-checkpoint.js';
import type { ScDiVaInference } from '../inference/engine.js';
import type { Reference } from '../inference/reference/reference.js';
import type { ScDiVa } from '../inference/scdiva.js';

/** What the routes work with. */
export interface Service {
  readonly version: string;
  readonly model: ScDiVa;
  readonly engine: ScDiVaInference;
  readonly description: CheckpointDescription;
  readonly provenance: Provenance;
  /** Task of the checkpoint's head. */
  readonly head: string | undefined;
  /** Where cells are mapped to, if the server was started with one. */
  readonly reference: Reference | undefined;
  /** Most cells computed at once. */
  readonly batchSize: number;
  /** Where uploads lie while they are worked on. */
  readonly folder: string;
  /** Cells that wait to be computed. */
  readonly numWaiting: () => number;
}
