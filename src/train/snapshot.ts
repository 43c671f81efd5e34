import { CheckpointError } from '../errors.js';
import type { HostTensor, HostTensors, Variables } from '../runtime/program/program.js';
import type { Checkpoint } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import { averageName, gradientSumName, momentName, squareName } from './optimizer.js';
import type { Task } from './task.js';

/** The variables of a run, divided as a checkpoint holds them. */
export interface Snapshot {
  /** The parameters to be used: averages where the run keeps them, else the weights. */
  readonly parameters: HostTensors;
  /** Moments, and the weights themselves where `parameters` are averages. */
  readonly optimizer: HostTensors;
}

type Setup = { readonly task: Pick<Task, 'parameters' | 'trainable'>; readonly config: TrainConfig };

/** Name in optimizer.safetensors of a weight whose average stands in model.safetensors. */
const rawName = (name: string): string => `weights/${name}`;

/** @param elsewhere what other workers hold of the state: in the snapshot it stands where it would if this one held it */
export async function takeSnapshot(variables: Variables, { task, config }: Setup, elsewhere: HostTensors = {}): Promise<Snapshot> {
  const sums = new Set(task.trainable.map(gradientSumName)); // zero between steps
  const here = await variables.read(variables.names.filter((name) => !sums.has(name)));
  const inOrder = [...Object.keys(task.parameters), ...task.trainable.flatMap((name) => [momentName(name), squareName(name), averageName(name)])];
  const all = Object.fromEntries(
    inOrder.flatMap((name): [string, HostTensor][] => ((here[name] ?? elsewhere[name]) ? [[name, (here[name] ?? elsewhere[name])!]] : [])),
  );
  const averaged = new Set(config.ema ? task.trainable : []);
  const parameters: Record<string, HostTensor> = {};
  const optimizer: Record<string, HostTensor> = {};
  for (const [name, value] of Object.entries(all)) {
    if (averaged.has(name)) {
      parameters[name] = all[averageName(name)]!;
      optimizer[rawName(name)] = value;
    } else if (name in task.parameters) parameters[name] = value;
    else if (!name.startsWith(averageName(''))) optimizer[name] = value;
  }
  return { parameters, optimizer };
}

/**
 * Puts a snapshot's values back.
 * @throws CheckpointError naming the first tensor that is missing or of another shape
 */
export async function restoreSnapshot(
  variables: Variables,
  checkpoint: Pick<Checkpoint, 'folder' | 'parameters' | 'head'>,
  optimizer: HostTensors,
  { task, config }: Setup,
): Promise<void> {
  const saved: HostTensors = { ...checkpoint.parameters, ...checkpoint.head?.parameters };
  const values: Record<string, HostTensor> = { ...saved, ...optimizer };
  if (config.ema) {
    for (const name of task.trainable) {
      const average = saved[name];
      const raw = optimizer[rawName(name)];
      delete values[rawName(name)];
      if (average) values[averageName(name)] = average;
      if (raw) values[name] = raw;
      else delete values[name];
    }
  }
  const current = await variables.read();
  for (const name of variables.names.filter((name) => !name.startsWith(gradientSumName('')))) {
    const shape = current[name]!.shape.join(', ');
    const found = values[name]?.shape.join(', ');
    if (found !== shape)
      throw new CheckpointError({
        file: checkpoint.folder,
        key: name,
        found: found === undefined ? 'missing' : `shape [${found}]`,
        expected: `[${shape}]`,
        hint: 'it cannot be resumed from; start a new run from its weights',
      });
  }
  await variables.write(Object.fromEntries(Object.entries(values).filter(([name]) => name in current)));
}
