import type { Argv, ArgumentsCamelCase, CommandModule } from 'yargs';
import type { CommonFlags, VerbContext } from './context.js';

/** What a verb gives back: the object `--json` prints, and how it reads for people. */
export interface VerbResult {
  /** Plain object, camelCase, numbers plain. */
  readonly json: Record<string, unknown>;
  /** Lines for people; absent when the verb said all it had to say on the way. */
  readonly text?: string;
  /** Default 0. */
  readonly exitCode?: number;
}

export interface Verb<Flags> {
  /** yargs syntax: `inspect <file>`. */
  readonly command: string;
  readonly describe: string;
  readonly options: (y: Argv) => Argv<Flags>;
  /** Loads what it needs with import(): nothing heavy may be imported at the top of a verb's file, `--help` is instant. */
  readonly run: (flags: ArgumentsCamelCase<Flags> & CommonFlags, context: VerbContext) => Promise<VerbResult>;
  /** What it does when it is told to stop, for the line that answers Ctrl-C. Default: stopping. */
  readonly stopping?: string;
}

/** Ties a verb to yargs; `execute` (main.ts) wraps it with context, output and exit codes. */
export type AnyVerb = CommandModule<object, object>;

export function defineVerb<Flags>(verb: Verb<Flags>): AnyVerb {
  return {
    command: verb.command,
    describe: verb.describe,
    builder: verb.options as unknown as (y: Argv<object>) => Argv<object>,
    handler: async (argv) => {
      const { execute } = await import('./execute.js');
      await execute((context) => verb.run(argv as unknown as ArgumentsCamelCase<Flags> & CommonFlags, context), argv as unknown as CommonFlags, verb.stopping);
    },
  };
}

/** A verb that only groups others: `scdiva data …`. */
export function defineGroup(command: string, describe: string, verbs: readonly AnyVerb[]): AnyVerb {
  return {
    command,
    describe,
    builder: (y) =>
      verbs
        .reduce((all, verb) => all.command(verb), y)
        .demandCommand(1, `name a verb of ${command}`)
        .strict(),
    handler: () => {},
  };
}
