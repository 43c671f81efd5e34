import { ClusterError, ConfigError } from '../../errors.js';
import { areKernelsLoaded, loadKernels } from '../kernels/load.js';
import { loadTensorFlow } from '../native/load.js';
import { SessionConfig } from '../program/config.js';
import type { GroupPlace } from '../program/graph/config-proto.js';
import { ClusterConfig } from './config.js';
import type { Members } from './members.js';
import { placeOf, startServer } from './server.js';
import { membersFromSlurm } from './slurm.js';
import { membersFromTfConfig } from './tf-config.js';
import { Watch } from './watch.js';

/** A process's place among several that train one model together, on TensorFlow's own servers and collective ops. */
export interface Cluster {
  /** 0 … worldSize - 1. Rank 0 speaks and writes. */
  readonly rank: number;
  readonly worldSize: number;
  readonly config: ClusterConfig;
  /** What a session on this worker's server is given. */
  readonly target: string;
  readonly place: GroupPlace;
  /** How TensorFlow is to bring tensors together: NCCL between GPUs, rings over gRPC between CPUs. */
  readonly hint: 'nccl' | 'auto';
  /** Rejects when another worker is given up. */
  readonly lost: Promise<never>;
  /** What really happened when a run failed: a worker that has gone, or else what TensorFlow says. */
  explain(error: Error): Promise<Error>;
  /** Keys for that many collective ops, the same on every worker as long as all ask in the same order. */
  reserveKeys(count: number): number;
  /** Stops watching: from here on the others may go. */
  leave(): void;
}

export interface JoinOptions {
  readonly cluster?: Partial<ClusterConfig>;
  readonly session?: Partial<SessionConfig>;
  readonly signal?: AbortSignal;
}

/** The members that the environment names: TF_CONFIG before Slurm; undefined where this process is alone. @throws ConfigError */
export function membersOf(env: NodeJS.ProcessEnv): Members | undefined {
  return env['TF_CONFIG'] ? membersFromTfConfig(env['TF_CONFIG']) : membersFromSlurm(env);
}

/** How long a failed run waits for the watch to name the one that has gone. */
const EXPLAIN_MS = 3000;

/**
 * Starts this worker's server and waits for the others. Once a process.
 * @throws ConfigError for a port that is taken or a machine without native TensorFlow; ClusterError naming the worker that did not come
 */
export async function joinCluster(members: Members, options: JoinOptions = {}): Promise<Cluster> {
  const config = ClusterConfig.parse(options.cluster ?? {});
  const asked = SessionConfig.parse(options.session ?? {});
  // What breaks when a worker goes is told in a line of ours; TensorFlow would tell it, many lines long, at every collective op under way.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  const { kind, device } = await loadTensorFlow();
  if (kind !== 'native')
    throw new ConfigError({
      key: members.source,
      found: `${members.addresses.length} workers, but no native TensorFlow here to connect them`,
      hint: 'run: npx scdiva setup',
    });
  if (asked.fusedKernels) await loadKernels();
  // All sessions of a server share its threads.
  const session = { ...asked, interOpThreads: asked.interOpThreads || (asked.fusedKernels && areKernelsLoaded() ? 1 : 0) };
  const target = await startServer(members, session);
  const watch = new Watch(members, config);
  await watch.gather(options.signal);
  let numKeys = 0;
  return {
    rank: members.rank,
    worldSize: members.addresses.length,
    config,
    target,
    place: placeOf(members.rank),
    hint: device === 'gpu' ? 'nccl' : 'auto',
    lost: watch.lost,
    async explain(error) {
      let timer: NodeJS.Timeout | undefined;
      const named = watch.lost.catch((lost: Error) => lost);
      const unnamed = new Promise<Error>((resolve) => {
        timer = setTimeout(() => resolve(asClusterError(error, members.rank)), EXPLAIN_MS);
      });
      return Promise.race([named, unnamed]).finally(() => clearTimeout(timer));
    },
    reserveKeys(count) {
      numKeys += count;
      return numKeys - count;
    },
    leave: () => watch.stop(),
  };
}

/** TensorFlow's words for a collective op that did not come to an end. */
const COLLECTIVE = /collective|unavailable|aborted|deadline|connection|cancelled|recvbuf|socket/i;

function asClusterError(error: Error, rank: number): Error {
  if (!COLLECTIVE.test(error.message)) return error;
  return new ClusterError({
    key: `worker ${rank}`,
    found: `a step was not finished together: ${error.message.split('\n')[0]!.slice(0, 300)}`,
    hint: 'go on from the last checkpoint with --resume',
    cause: error,
  });
}
