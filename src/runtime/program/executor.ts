import { createEagerExecutor } from './eager.js';
import type { Executor } from './program.js';
import { SetupError } from '../../errors.js';

export type ExecutorKind = 'auto' | 'eager' | 'graph';

/**
 * The executor a run computes with. `auto` takes the fastest this machine has.
 * @throws SetupError when `graph` is asked for by name and cannot be had
 */
export async function createExecutor({ kind }: { kind: ExecutorKind }): Promise<Executor> {
  if (kind === 'graph') throw new SetupError({ key: 'executor', found: 'no graph executor on this machine', hint: 'set train.executor to auto or eager' });
  return createEagerExecutor();
}
