import * as tf from '@tensorflow/tfjs-core';
import type { Team } from '../runtime/cluster/team.js';
import { after } from '../runtime/ops/order.js';
import { sumOverWorkers } from '../runtime/ops/sum-over-workers.js';
import type { HostTensor, HostTensors, Tensors, Variables } from '../runtime/program/program.js';
import { gradientBuckets } from './gradient-buckets.js';
import { momentName, squareName, type ShareOfUpdate } from './optimizer.js';
import { parameterOwners } from './parameter-shares.js';
import type { Task } from './task.js';

/** Values of a moment that travel at once between steps: 64 MB. */
const VALUES_AT_ONCE = 1 << 24;

/** A factor of nothing: fed, so that no rewrite of the graph computes with it beforehand. */
export const NOTHING = 'train/nothing';

/**
 * The optimiser's state divided among workers (ZeRO, stage 1): every worker has the gradients' sums, updates the parameters of its share, and
 * gives their new values to the others; the moments of a parameter are with its owner alone. The same arithmetic on the same numbers as
 * without, so nothing of a run depends on it but memory and time.
 */
export class OptimizerShares {
  private readonly owners: Readonly<Record<string, number>>;
  private readonly buckets: readonly (readonly string[])[];
  private readonly firstKey: number;

  constructor(
    private readonly team: Team,
    private readonly task: Pick<Task, 'parameters' | 'trainable'>,
  ) {
    this.owners = parameterOwners(Object.fromEntries(task.trainable.map((name) => [name, task.parameters[name]!.data.length])), team.worldSize);
    this.buckets = gradientBuckets(task.parameters, task.trainable, team.cluster.config.bucketMb * 1e6);
    this.firstKey = team.cluster.reserveKeys(this.buckets.length);
  }

  readonly owns = (name: string): boolean => this.owners[name] === this.team.rank;

  /** For `applyGradients`. @param nothing scalar 0 that is fed */
  ofUpdate(nothing: tf.Tensor): ShareOfUpdate {
    return { owns: this.owns, exchange: (parameters, from) => this.exchange(parameters, from, nothing) };
  }

  /** A sum in which everyone but the owner adds zeros, buffer after buffer: one is in memory beside the weights at a time. */
  private exchange(parameters: Tensors, from: tf.Tensor, nothing: tf.Tensor): ReturnType<ShareOfUpdate['exchange']> {
    const received: Record<string, tf.Tensor> = {};
    const marks: tf.Tensor[] = [];
    let before = from;
    this.buckets.forEach((names, k) => {
      const parts = names.map((name) => {
        const value = after(parameters[name]!, before);
        return tf.reshape(this.owns(name) ? value : tf.mul(value, nothing), [-1]) as tf.Tensor1D;
      });
      const sum = sumOverWorkers(parts.length === 1 ? parts[0]! : tf.concat(parts), { key: this.firstKey + k, wire: 'f32' }); // [Σ |S|]
      let start = 0;
      names.forEach((name, i) => {
        const size = parts[i]!.size;
        if (!this.owns(name)) received[name] = tf.reshape(parts.length === 1 ? sum : tf.slice(sum, start, size), parameters[name]!.shape);
        start += size;
      });
      marks.push(tf.slice(sum, 0, 1));
      before = sum;
    });
    return { parameters: { ...parameters, ...received }, sent: tf.concat(marks) };
  }

  /** Names of the moments, in the order of a checkpoint; every worker goes through all of them. */
  private moments(): { readonly name: string; readonly owner: number; readonly shape: readonly number[] }[] {
    return this.task.trainable.flatMap((parameter) =>
      [momentName, squareName].map((nameOf) => ({ name: nameOf(parameter), owner: this.owners[parameter]!, shape: this.task.parameters[parameter]!.shape })),
    );
  }

  /** Brings all moments to the first worker, for a checkpoint. A meeting of all. @returns those of the other workers, on the first; none elsewhere */
  async gather(variables: Variables): Promise<HostTensors> {
    const gathered: Record<string, HostTensor> = {};
    for (const { name, owner, shape } of this.moments()) {
      if (owner === 0) continue;
      const own = owner === this.team.rank ? (await variables.read([name]))[name]! : undefined;
      const data = await this.sum(own?.data as Float32Array | undefined, shape);
      if (this.team.rank === 0) gathered[name] = { dtype: 'float32', shape, data: data! };
    }
    return gathered;
  }

  /** Brings the moments of a checkpoint to their owners. A meeting of all. @param saved all moments, on the first worker */
  async scatter(variables: Variables, saved: HostTensors | undefined): Promise<void> {
    for (const { name, owner, shape } of this.moments()) {
      if (owner === 0) continue;
      const data = await this.sum(saved?.[name]?.data as Float32Array | undefined, shape, owner);
      if (owner === this.team.rank) await variables.write({ [name]: { dtype: 'float32', shape, data: data! } });
    }
  }

  /** What one worker has, on the worker that wants it. @param own of the one that has it */
  private async sum(own: Float32Array | undefined, shape: readonly number[], wanted = 0): Promise<Float32Array | undefined> {
    const size = shape.reduce((product, n) => product * n, 1);
    const all = this.team.rank === wanted ? new Float32Array(size) : undefined;
    for (let start = 0; start < size; start += VALUES_AT_ONCE) {
      const end = Math.min(size, start + VALUES_AT_ONCE);
      const part = await this.team.sum(own?.subarray(start, end) ?? new Float32Array(end - start));
      all?.set(part.subarray(0, end - start), start);
    }
    return all;
  }
}
