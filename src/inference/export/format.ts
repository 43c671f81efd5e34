import type { HostTensors } from '../../runtime/program/program.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';
import type { Signature } from './signatures.js';

/** What is written down. */
export interface ExportSource {
  readonly checkpoint: OpenCheckpoint;
  readonly signatures: readonly Signature[];
}

/** A written model, opened to be compared with what it was written from. */
export interface ExportedModel {
  /** @param outputs which to give; numeric ones of the signature */
  run(signature: Signature, inputs: HostTensors, outputs: readonly string[]): Promise<HostTensors>;
  dispose(): void;
}

/** One form a model can be handed on in. A format is one file beside this one, and a line in formats.ts. */
export interface ExportFormat {
  /** As `--format` takes it. */
  readonly name: string;
  /** What it is for, a few words. */
  readonly describe: string;
  /** Largest difference to the source that counts as equal, relative to an output's largest value (at least 1); null: its weights are rounded on purpose, and differences are told, not judged. */
  readonly tolerance: number | null;
  /** Fills an empty folder. */
  write(source: ExportSource, folder: string): Promise<void>;
  /** Opens the folder as its users will: from what was written, and nothing else. */
  open(folder: string): Promise<ExportedModel>;
}
