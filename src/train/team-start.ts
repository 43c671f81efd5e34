import { ConfigError } from '../errors.js';
import type { Team } from '../runtime/cluster/team.js';
import type { HostTensors, Variables } from '../runtime/program/program.js';
import { gradientSumName, isMoment } from './optimizer.js';
import { flatten } from './resume.js';
import { describeVersions } from './run-manifest.js';
import type { OptimizerShares } from './sharded-optimizer.js';
import type { TrainState } from './state.js';
import type { TrainConfig } from './config.js';
import type { Task } from './task.js';

/** Where things lie and how fast they are read may differ between machines; what is in the data is compared by its fingerprint. */
const MAY_DIFFER: readonly string[] = [
  'data.corpus',
  'checkpoint',
  'loader.numWorkers',
  'train.session.intraOpThreads',
  'train.session.interOpThreads',
  'train.session.gpuMemoryGrowth',
  'train.session.gpuMemoryFraction',
];

interface Run {
  readonly task: Task;
  readonly config: { readonly train: TrainConfig };
  readonly data: { readonly fingerprint: string };
}

/**
 * Checks that all workers are about to do one and the same thing, and that there is work for each.
 * @throws ConfigError on every worker, naming the first difference
 */
export async function requireOneRun(team: Team, { task, config, data }: Run): Promise<void> {
  const { train } = config;
  if (train.batchSize < team.worldSize)
    throw new ConfigError({
      key: 'train.batchSize',
      found: `${train.batchSize} cells for ${team.worldSize} workers`,
      expected: 'at least one each',
      hint: 'it counts the cells of all workers together',
    });
  const { scdiva } = await describeVersions({});
  const own = {
    task: task.name,
    'version of scdiva': scdiva!,
    data: data.fingerprint,
    ...Object.fromEntries([...flatten(config)].filter(([key]) => !MAY_DIFFER.some((free) => key === free || key.startsWith(`${free}.`)))),
  };
  const [first, ...others] = (await team.gather(JSON.stringify(own))).map((text) => JSON.parse(text) as Record<string, string>);
  others.forEach((other, i) => {
    const key = Object.keys({ ...first, ...other }).find((name) => first![name] !== other[name]);
    if (key !== undefined)
      throw new ConfigError({
        key,
        found: `${other[key] ?? 'absent'} at worker ${i + 1}, ${first![key] ?? 'absent'} at worker 0`,
        hint: 'start all workers with the same config and the same data',
      });
  });
}

/**
 * Starts every worker from where the first one stands: at its checkpoint, or at its initial weights.
 * @param shares where workers keep the moments of a share each; `own.moments` are then all moments of the checkpoint, on the first worker
 */
export async function shareStart(
  team: Team,
  variables: Variables,
  own: { readonly state: TrainState; readonly isResumed: boolean; readonly moments?: HostTensors | undefined },
  task: Task,
  shares?: OptimizerShares,
): Promise<{ state: TrainState; isResumed: boolean }> {
  const told = JSON.parse(await team.tell(JSON.stringify({ state: own.state, isResumed: own.isResumed }))) as { state: TrainState; isResumed: boolean };
  // Where moments are divided, each is with its owner alone.
  const isEverywhere = (name: string): boolean => !name.startsWith(gradientSumName('')) && !(shares && isMoment(name));
  await team.shareVariables(variables, told.isResumed ? variables.names.filter(isEverywhere) : Object.keys(task.parameters));
  if (told.isResumed) await shares?.scatter(variables, own.moments);
  return told;
}
