import { ConfigError } from '../../errors.js';
import { defineVerb } from '../verb.js';

/** Verbs that train, and so can be divided among workers. */
const TRAINING = ['pretrain', 'finetune'];

/** `scdiva launch --workers N -- pretrain …`: one training by several processes of this machine. */
export const launch = defineVerb({
  command: 'launch',
  describe: 'train with several processes of this machine at once: scdiva launch --workers 4 -- pretrain …',
  options: (y) =>
    y
      .option('workers', { type: 'number', demandOption: true, requiresArg: true, describe: 'processes; train.batchSize counts the cells of all of them' })
      .option('restarts', {
        type: 'number',
        default: 0,
        requiresArg: true,
        describe: 'start again from the last checkpoint so many times where a worker ends or stops answering',
      })
      .option('timeout', {
        type: 'number',
        requiresArg: true,
        describe: 'as --set train.cluster.timeoutSeconds=S and joinSeconds: how long a silent worker is waited for',
      })
      .example('$0 launch --workers 2 -- pretrain --config configs/debug/pretrain.yaml --set data.corpus=cells.corpus --out runs/two', '')
      .example('$0 launch --workers 4 --restarts 3 -- finetune annotation --config configs/annotation.yaml --set checkpoint=runs/pretrain', ''),
  async run({ workers, restarts, timeout, ...rest }, context) {
    const verb = (rest as { '--'?: readonly unknown[] })['--']?.map(String) ?? []; // main.ts has yargs leave alone what stands behind it
    for (const [flag, value, least] of [
      ['--workers', workers, 1],
      ['--restarts', restarts, 0],
    ] as const)
      if (!(Number.isInteger(value) && value >= least)) throw new ConfigError({ key: flag, found: String(value), expected: `a whole number from ${least} on` });
    if (!TRAINING.includes(verb[0] ?? ''))
      throw new ConfigError({
        key: 'launch',
        found: verb[0] ? `${verb[0]}, which does not train` : 'no verb',
        expected: `-- ${TRAINING.join(' … or -- ')} …`,
        hint: 'scdiva launch --workers 2 -- pretrain --config FILE',
      });
    const { launchWorkers } = await import('../launch/launch.js');
    const args = [
      ...verb,
      ...(timeout === undefined ? [] : ['--set', `train.cluster.timeoutSeconds=${timeout}`, '--set', `train.cluster.joinSeconds=${timeout}`]),
    ];
    const { exitCode, numRestarts } = await launchWorkers({
      args,
      numWorkers: workers,
      restarts,
      signal: context.signal,
      notice: (line) => process.stderr.write(`scdiva: ${line}\n`),
    });
    return { json: { workers, restarts: numRestarts, exitCode }, exitCode };
  },
});
