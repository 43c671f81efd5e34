import { z } from 'zod';
import { ConfigError } from '../../errors.js';
import { parseAddress, type Members } from './members.js';

const Address = z.string().superRefine((address, context) => {
  try {
    parseAddress(address);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});

const TfConfig = z.looseObject({
  cluster: z.record(z.string(), z.array(Address).min(1)),
  task: z.looseObject({ type: z.string(), index: z.coerce.number().int().min(0) }),
});

/** Jobs whose tasks train; a chief is the first worker. */
const TRAINING = ['chief', 'master', 'worker'] as const;
/** Jobs that may stand in a cluster and take no part in this kind of training. */
const IDLE = ['evaluator'];

/**
 * The members by TF_CONFIG, as Kubeflow, Vertex AI and users of MultiWorkerMirroredStrategy write it:
 *
 *     {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}
 *
 * with or without one `chief`, who is then rank 0.
 * @returns undefined where it describes no other worker
 * @throws ConfigError naming what is wrong in it
 */
export function membersFromTfConfig(text: string): Members | undefined {
  const wrong = (found: string, key?: string, hint?: string): ConfigError => new ConfigError({ file: 'TF_CONFIG', key, found, hint });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw wrong(
      `not JSON: ${(cause as Error).message}`,
      undefined,
      'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}',
    );
  }
  if (typeof raw === 'object' && raw !== null && !('cluster' in raw)) return undefined; // as on a machine of its own
  const parsed = TfConfig.safeParse(raw);
  if (!parsed.success) throw wrong(parsed.error.issues[0]!.message, parsed.error.issues[0]!.path.join('.') || undefined);
  const { cluster, task } = parsed.data;
  const other = Object.keys(cluster).find((job) => ![...TRAINING, ...IDLE].includes(job));
  if (other !== undefined) throw wrong(`a job named ${other}`, 'cluster', 'workers reduce gradients among themselves: name workers, and at most one chief');
  if (cluster['chief'] && cluster['master']) throw wrong('a chief and a master', 'cluster', 'name one of them');
  const jobs = TRAINING.filter((job) => cluster[job]);
  const first = jobs.find((job) => job !== 'worker');
  if (first && cluster[first]!.length > 1) throw wrong(`${cluster[first]!.length} tasks`, `cluster.${first}`, 'there is one; the others are workers');
  if (!jobs.includes(task.type as (typeof TRAINING)[number]))
    throw wrong(
      `${JSON.stringify(task.type)}, a job that ${IDLE.includes(task.type) ? 'does not train here' : 'the cluster does not have'}`,
      'task.type',
      `one of ${jobs.join(', ')}`,
    );
  const size = cluster[task.type]!.length;
  if (task.index >= size) throw wrong(`${task.index}`, 'task.index', `the cluster has ${size} ${task.type}${size > 1 ? 's' : ''}: 0 to ${size - 1}`);
  const addresses = jobs.flatMap((job) => cluster[job]!);
  const twice = addresses.find((address, i) => addresses.indexOf(address) < i);
  if (twice !== undefined) throw wrong(`${twice} twice`, 'cluster', 'each worker needs a port of its own');
  if (addresses.length === 1) return undefined;
  const before = jobs.slice(0, jobs.indexOf(task.type as (typeof TRAINING)[number])).reduce((sum, job) => sum + cluster[job]!.length, 0);
  return { addresses, rank: before + task.index, source: 'TF_CONFIG' };
}
