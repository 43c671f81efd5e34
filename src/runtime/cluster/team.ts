import * as tf from '@tensorflow/tfjs-core';
import { sumOverWorkers } from '../ops/sum-over-workers.js';
import type { Executor, HostTensor, Program, Variables } from '../program/program.js';
import type { Cluster } from './cluster.js';

// W workers, N values

/** Vectors are filled up to a power of two: one graph and one key for each. */
const MAX_LOG_LENGTH = 31;

/** Variables of so many bytes are sent around in one run. */
const SHARED_AT_ONCE = 64 << 20;

/**
 * The workers of a cluster as one: what they tell each other between steps. Every method is a meeting: all workers call it, in the same order,
 * and none returns before all have come.
 */
export class Team {
  private readonly firstKey: number;
  private readonly program: Program;

  private constructor(
    readonly cluster: Cluster,
    private readonly executor: Executor,
    private readonly none: Variables,
  ) {
    this.firstKey = cluster.reserveKeys(MAX_LOG_LENGTH + 1);
    this.program = executor.compile(
      (_, inputs) => ({ outputs: { sum: sumOverWorkers(inputs['x']!, { key: this.firstKey + Math.log2(inputs['x']!.shape[0]!), wire: 'f32' }) } }),
      { variables: none, precision: 'f32', name: 'meeting' },
    );
  }

  /** @param executor one that was made with this cluster */
  static async create(cluster: Cluster, executor: Executor): Promise<Team> {
    return new Team(cluster, executor, await executor.createVariables({}));
  }

  get rank(): number {
    return this.cluster.rank;
  }

  get worldSize(): number {
    return this.cluster.worldSize;
  }

  /** What every worker has to say, by rank, on every worker. */
  async gather(own: string): Promise<string[]> {
    const { rank, worldSize } = this;
    const bytes = new TextEncoder().encode(own);
    const lengths = new Float32Array(worldSize);
    lengths[rank] = bytes.length;
    const numBytes = (await this.sum(lengths)).slice(0, worldSize);
    const longest = Math.max(...numBytes);
    if (longest === 0) return Array.from({ length: worldSize }, () => '');
    const all = new Float32Array(worldSize * longest);
    all.set(bytes, rank * longest);
    const gathered = await this.sum(all);
    return Array.from(numBytes, (length, worker) => new TextDecoder().decode(Uint8Array.from(gathered.subarray(worker * longest, worker * longest + length))));
  }

  /** What rank 0 has to say, on every worker. */
  async tell(ofFirst: string): Promise<string> {
    return (await this.gather(this.rank === 0 ? ofFirst : ''))[0]!;
  }

  /** Gives every worker rank 0's values of these float32 variables. */
  async shareVariables(variables: Variables, all: readonly string[]): Promise<void> {
    const isFirst = this.rank === 0;
    for (const names of groupsOf(variables, all)) {
      const firstKey = this.cluster.reserveKeys(names.length);
      const program = this.executor.compile(
        (state) => {
          const updates = names.map(
            (name, i) => [name, sumOverWorkers(isFirst ? state[name]! : tf.zerosLike(state[name]!), { key: firstKey + i, wire: 'f32' })] as const,
          );
          return { outputs: {}, updates: Object.fromEntries(updates) };
        },
        { variables, precision: 'f32', name: 'share' },
      );
      await program.run({});
      program.dispose();
    }
  }

  dispose(): void {
    this.program.dispose();
    this.none.dispose();
  }

  /** Σ over workers, with zeros behind it. */
  async sum(values: Float32Array): Promise<Float32Array> {
    const padded = new Float32Array(2 ** Math.ceil(Math.log2(Math.max(1, values.length))));
    padded.set(values);
    const x: HostTensor = { dtype: 'float32', shape: [padded.length], data: padded };
    return (await this.program.run({ x }))['sum']!.data as Float32Array;
  }
}

function groupsOf(variables: Variables, all: readonly string[]): string[][] {
  const groups: string[][] = [[]];
  let bytes = 0;
  for (const name of all) {
    const own = 4 * variables.shapeOf(name).reduce((size, dim) => size * dim, 1);
    if (bytes > 0 && bytes + own > SHARED_AT_ONCE) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(name);
    bytes += own;
  }
  return groups.filter((names) => names.length > 0);
}
