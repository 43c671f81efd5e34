import yargs from 'yargs';
import { readFileSync } from 'node:fs';
import { verbs } from './verbs/index.js';

/** Parses and runs one command line. @returns the exit code: 0 done, 1 failure of ours, 2 the user's mistake, 130 interrupted */
export async function main(args: readonly string[]): Promise<number> {
  const cli = yargs([...args])
    .scriptName('scdiva')
    .usage('$0 <verb>\n\nPretrain, fine-tune and use ScDiVa, a masked discrete diffusion model of single-cell expression.')
    .option('json', { type: 'boolean', default: false, describe: 'print one JSON object on the last line of stdout', global: true })
    .option('verbose', { type: 'boolean', default: false, describe: 'log more, show stacks of errors', global: true })
    .parserConfiguration({ 'duplicate-arguments-array': true, 'parse-numbers': true, 'dot-notation': false })
    .command([...verbs])
    .demandCommand(1, 'name a verb')
    .recommendCommands()
    .strict()
    .version(packageVersion())
    .help()
    .alias('h', 'help')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    .fail((message, error, y) => {
      if (error) throw error;
      process.stderr.write(`scdiva: ${message.replace(/\s*\n\s*/g, ' ')} (see: scdiva ${args.filter((a) => !a.startsWith('-')).slice(0, 1).join(' ')} --help)\n`);
      process.exitCode = 2;
      void y;
    });
  process.exitCode = 0;
  await cli.parseAsync();
  return Number(process.exitCode);
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}
