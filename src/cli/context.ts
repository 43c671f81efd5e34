import type { Progress } from '../progress.js';
import type { Cluster } from '../runtime/cluster/cluster.js';
import { createLogger, type Logger } from '../log.js';
import { createTerminalProgress } from './terminal-progress.js';

/** What a verb may use to talk to the outside. Verbs return their result; they print nothing but through `say`. */
export interface VerbContext {
  readonly log: Logger;
  readonly progress: Progress;
  /** A line for people on stdout; silent under --json, where stdout carries the one object alone. */
  say(line: string): void;
  /** Aborts at the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** The other workers, where this process trains as one of several. */
  readonly cluster?: Cluster;
}

/** Flags every verb has. */
export interface CommonFlags {
  readonly json: boolean;
  readonly verbose: boolean;
}

export function createContext(flags: CommonFlags, signal: AbortSignal): VerbContext {
  return {
    log: createLogger(flags.verbose ? 'debug' : undefined),
    progress: createTerminalProgress(process.stderr),
    say: (line) => void (flags.json || process.stdout.write(`${line}\n`)),
    signal,
  };
}
