import yargs from 'yargs';
import { ConfigError } from '../errors.js';
import { packageVersion } from './package-version.js';
import { reportError } from './report-error.js';
import { verbs } from './verbs/index.js';

/** Verbs that only group others. */
const GROUPS = new Set(['data', 'finetune', 'adapter', 'evaluate', 'metrics', 'reference']);

/** Parses and runs one command line. @returns the exit code: 0 done, 1 failure of ours, 2 the user's mistake, 130 interrupted */
export async function main(args: readonly string[]): Promise<number> {
  const cli = yargs([...args])
    .scriptName('scdiva')
    .usage('$0 <verb>\n\nPretrain, fine-tune and use ScDiVa, a masked discrete diffusion model of single-cell expression.')
    .option('json', { type: 'boolean', default: false, describe: 'print one JSON object on the last line of stdout', global: true })
    .option('verbose', { type: 'boolean', default: false, describe: 'log more, show stacks of errors', global: true })
    .parserConfiguration({ 'duplicate-arguments-array': true, 'parse-numbers': true, 'dot-notation': false, 'populate--': args[0] === 'launch' })
    .command([...verbs])
    .demandCommand(1, 'name a verb')
    .recommendCommands()
    .strict()
    .version(packageVersion())
    .help()
    .alias('h', 'help')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    // Without a throw yargs would go on and run the verb in spite of the mistake.
    .fail((message, error) => {
      if (!message) throw error;
      throw new ConfigError({ found: message, hint: `see: ${['scdiva', ...verbWords(args), '--help'].join(' ')}` });
    });
  process.exitCode = 0;
  try {
    await cli.parseAsync();
  } catch (error) {
    process.exitCode = reportError(error, args.includes('--verbose'));
  }
  return Number(process.exitCode);
}

/** The verb that was meant, `data build` in `data build cells.h5ad`, for pointing at the right --help. */
function verbWords([first, second]: readonly string[]): string[] {
  const known = verbs.find(({ command }) => String(command).split(' ')[0] === first);
  if (!first || !known) return [];
  return second && GROUPS.has(first) && /^[a-z]+$/.test(second) ? [first, second] : [first];
}
