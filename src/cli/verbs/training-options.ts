import type { Argv } from 'yargs';

const DEFAULT_PROFILE_STEPS = 3;

/** What a training does when it is told to stop. */
export const STOPPING_A_TRAINING = 'stopping after this step and saving';

/** The flags that every verb that trains has. @param example of a `--set` */
export const trainingOptions = (y: Argv, example: string) =>
  y
    .option('config', { type: 'string', requiresArg: true, describe: 'YAML file; with --resume default: the config.yaml of the run' })
    .option('out', { type: 'string', requiresArg: true, describe: 'run folder, a checkpoint folder when done; default: runs/<name of the config>' })
    .option('set', { type: 'string', array: true, nargs: 1, default: [] as string[], describe: `key.path=value over the file: ${example}` })
    .option('resume', { type: 'boolean', default: false, describe: 'go on from the last checkpoint of the run folder' })
    .option('auto-resume', {
      type: 'boolean',
      default: false,
      describe: 'as --resume where there is a checkpoint, else from the beginning: the same command for a first start and a restart',
    })
    .option('profile', {
      type: 'string',
      describe: `measure every op of this many steps [${DEFAULT_PROFILE_STEPS}]; writes a trace for Perfetto, Chrome and TensorBoard`,
    });

/** @param flag as yargs gives it: undefined = no --profile, '' = without a number @throws ConfigError */
export async function profileSteps(flag: string | undefined): Promise<number | undefined> {
  if (flag === undefined) return undefined;
  const steps = flag === '' ? DEFAULT_PROFILE_STEPS : Number(flag);
  if (Number.isInteger(steps) && steps > 0) return steps;
  const { ConfigError } = await import('../../errors.js');
  throw new ConfigError({ key: '--profile', found: flag, expected: 'a whole number of steps above 0' });
}
