import { createServer } from 'node:net';
import { ClusterError, ConfigError } from '../../errors.js';
import type { SessionConfig } from '../program/config.js';
import { cApi, checkStatus, type Pointer } from '../program/graph/c-api.js';
import { encodeConfigProto, type GroupPlace } from '../program/graph/config-proto.js';
import { message, text, varint } from '../program/graph/protobuf.js';
import { parseAddress, type Members } from './members.js';

const JOB = 'worker';

/** Field numbers of tensorflow.ServerDef and its parts, from TensorFlow's protocol definitions. */
const SERVER = { cluster: 1, jobName: 2, taskIndex: 3, sessionConfig: 4, protocol: 5 } as const;
const CLUSTER = { job: 1 } as const;
const JOB_DEF = { name: 1, tasks: 2 } as const;
const MAP_ENTRY = { key: 1, value: 2 } as const;

/** TensorFlow's names for a worker, and for the one that leads. */
export const placeOf = (rank: number): GroupPlace => ({ deviceFilter: `/job:${JOB}/task:${rank}`, leader: `/job:${JOB}/replica:0/task:0` });

/** A worker's server as a serialised tensorflow.ServerDef. */
export function encodeServerDef({ addresses, rank }: Members, session: SessionConfig): Uint8Array {
  const tasks = addresses.flatMap((address, i) => message(JOB_DEF.tasks, [...(i > 0 ? varint(MAP_ENTRY.key, i) : []), ...text(MAP_ENTRY.value, address)]));
  return Uint8Array.from([
    ...message(SERVER.cluster, message(CLUSTER.job, [...text(JOB_DEF.name, JOB), ...tasks])),
    ...text(SERVER.jobName, JOB),
    ...(rank > 0 ? varint(SERVER.taskIndex, rank) : []),
    ...message(SERVER.sessionConfig, [...encodeConfigProto(session, placeOf(rank))]),
    ...text(SERVER.protocol, 'grpc'),
  ]);
}

/**
 * Starts this worker's TensorFlow server, which lives as long as the process: TensorFlow cannot take one down.
 * @returns the target of sessions on it
 * @throws ClusterError when its port is taken
 */
export async function startServer(members: Members, session: SessionConfig): Promise<string> {
  await requireFreePort(members);
  // A proxy is for the outside; gRPC would send the gradients there, too.
  process.env['no_grpc_proxy'] ??= members.addresses.map((address) => parseAddress(address).host).join();
  const api = cApi();
  const status = api.newStatus() as Pointer;
  const refuse = (found: string): Error =>
    new ClusterError({ key: `worker ${members.rank}`, found: `TensorFlow starts no server at ${members.addresses[members.rank]}: ${found}` });
  try {
    const proto = encodeServerDef(members, session);
    const server = api.newServer(proto, proto.length, status) as Pointer;
    checkStatus(api, status, refuse);
    api.serverStart(server, status);
    checkStatus(api, status, refuse);
    return api.serverTarget(server) as string;
  } finally {
    api.deleteStatus(status);
  }
}

/** TensorFlow would share a port with another process, and each would get half of the calls. */
async function requireFreePort({ addresses, rank, source }: Members): Promise<void> {
  const { port } = parseAddress(addresses[rank]!);
  const listener = createServer();
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE')
        reject(
          new ConfigError({
            key: `worker ${rank}`,
            found: `port ${port} is taken by another process`,
            hint: `end that process, or give ${source} another port`,
            cause,
          }),
        );
      else
        reject(
          new ConfigError({ key: `worker ${rank}`, found: `port ${port} cannot be listened at (${cause.code})`, hint: `give ${source} another port`, cause }),
        );
    });
    listener.listen(port, '0.0.0.0', () => listener.close(() => resolve()));
  });
}
