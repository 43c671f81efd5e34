/** What a message needs to end the search for the mistake instead of starting it. Every field but `found` may be absent. */
export interface ErrorFacts {
  /** The file or folder at fault, as the user named it. */
  readonly file?: string | undefined;
  /** The key, column, tensor or flag inside it. */
  readonly key?: string | undefined;
  /** What was there. */
  readonly found: string;
  /** What should have been there. */
  readonly expected?: string | undefined;
  /** The mend: what to type, pass or change. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Base of every error this project throws on purpose. `exitCode` 2 = the user's mistake, 1 = ours. */
export class ScDivaError extends Error {
  readonly facts: ErrorFacts;
  readonly exitCode: number = 2;

  constructor(facts: ErrorFacts) {
    super(formatFacts(facts), facts.cause === undefined ? undefined : { cause: facts.cause });
    this.facts = facts;
    this.name = new.target.name;
  }
}

/** `pbmc.h5ad: obs['celltype']: no such column (expected …; set data.labelKey)`, on one line. */
function formatFacts({ file, key, found, expected, hint }: ErrorFacts): string {
  const place = [file, key]
    .filter(Boolean)
    .map((part) => `${part}: `)
    .join('');
  const aside = [expected && `expected ${expected}`, hint].filter(Boolean).join('; ');
  return `${place}${found}${aside ? ` (${aside})` : ''}`.replace(/\s*\n\s*/g, ' ');
}

/** A config file, a `--set` or a flag is wrong. */
export class ConfigError extends ScDivaError {}
/** An input file, its genes, cells or labels are wrong. */
export class DataError extends ScDivaError {}
/** A checkpoint folder is incomplete, damaged or of other sizes. */
export class CheckpointError extends ScDivaError {}
/** An output cannot be written: permissions, full disk, existing folder. */
export class OutputError extends ScDivaError {}
/** The machine lacks something: compiler, library, platform. */
export class SetupError extends ScDivaError {}
/** A tensor handed to a public function has another shape or dtype than its docstring says. */
export class ShapeError extends ScDivaError {}

/** The other workers of a cluster cannot be reached, or one of them has gone: what was saved last is there to go on from. */
export class ClusterError extends ScDivaError {
  override readonly exitCode = 1;
}

/** The work of a worker that is not the first ends here, as it should; what is left to do is the first one's. */
export class WorkerDone extends Error {}

/** A loss, gradient or parameter became NaN or infinite: the run stops before it spoils its checkpoint. */
export class NonFiniteError extends ScDivaError {
  override readonly exitCode = 1;
}

/** SIGINT or SIGTERM arrived and the state was saved. */
export class InterruptedError extends ScDivaError {
  override readonly exitCode = 130;
}
