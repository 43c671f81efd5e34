import { ConfigError } from '../errors.js';
import { silentProgress } from '../progress.js';
import type { TrainConfig } from '../train/config.js';
import type { VerbContext } from './context.js';

/**
 * Makes this process one of several workers where TF_CONFIG or Slurm say that it is; only the first one speaks.
 * @returns the context to go on with: as it was where the process is alone
 * @throws ConfigError, ClusterError in one line
 */
export async function joinWorkers(train: TrainConfig, context: VerbContext): Promise<VerbContext> {
  const { joinCluster, membersOf } = await import('../runtime/cluster/cluster.js');
  const members = membersOf(process.env);
  if (process.env['SCDIVA_LAUNCHED']) endWithLauncher();
  if (!members) return context;
  if (train.microBatch === 'auto')
    throw new ConfigError({
      key: 'train.microBatch',
      found: `auto, and ${members.addresses.length} workers that might not agree`,
      hint: 'set train.accumulation, and train.microBatch to null',
    });
  const cluster = await joinCluster(members, { cluster: train.cluster, session: train.session, signal: context.signal });
  if (cluster.rank > 0) return { ...context, cluster, progress: silentProgress, say: () => {} };
  context.say(`${cluster.worldSize} workers (${members.source}), gradients in ${train.cluster.wire}`);
  return { ...context, cluster };
}

/** Whoever launched this worker holds the other end of its stdin: without them it must not go on. */
function endWithLauncher(): void {
  process.stdin
    .on('end', () => process.kill(process.pid, 'SIGKILL'))
    .on('error', () => {})
    .resume();
  (process.stdin as unknown as { unref(): void }).unref();
}
