import * as tf from '@tensorflow/tfjs-core';
import type { CompileOptions, Executor, HostTensor, HostTensors, Program, ProgramFn, Tensors, Variables } from './program.js';

/** Runs programs op by op on whatever TensorFlow.js backend is active: the reference, and the way on WebAssembly and in browsers. */
export function createEagerExecutor(): Executor {
  return {
    kind: 'eager',
    createVariables: async (initial) => new EagerVariables(initial),
    compile: (fn, options) => compileEager(fn, options),
    dispose() {},
  };
}

class EagerVariables implements Variables {
  readonly tensors = new Map<string, tf.Tensor>();

  constructor(initial: HostTensors) {
    for (const [name, value] of Object.entries(initial)) this.tensors.set(name, keepTensor(value));
  }

  get names(): readonly string[] {
    return [...this.tensors.keys()];
  }

  async read(names: readonly string[] = this.names): Promise<HostTensors> {
    const entries = await Promise.all(names.map(async (name) => [name, await toHost(this.get(name))] as const));
    return Object.fromEntries(entries);
  }

  async write(values: HostTensors): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      const old = this.get(name);
      if (String(old.shape) !== String(value.shape) || old.dtype !== value.dtype)
        throw new Error(`${name}: cannot assign ${value.dtype}[${value.shape}] to a variable of ${old.dtype}[${old.shape}]`);
      this.replace(name, keepTensor(value));
    }
  }

  async create(values: HostTensors): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      if (this.tensors.has(name)) throw new Error(`variable ${name} exists`);
      this.tensors.set(name, keepTensor(value));
    }
  }

  get(name: string): tf.Tensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`no variable ${name}`);
    return tensor;
  }

  shapeOf(name: string): readonly number[] {
    return this.get(name).shape;
  }

  replace(name: string, tensor: tf.Tensor): void {
    this.get(name).dispose();
    this.tensors.set(name, tensor);
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors.clear();
  }
}

function compileEager(fn: ProgramFn, options: CompileOptions): Program {
  const variables = options.variables as EagerVariables;
  if (!(variables instanceof EagerVariables)) throw new Error('these variables belong to another executor');
  return {
    async run(inputs) {
      // Inside tidy everything the function made is freed, except what is kept: outputs until read, updates for good.
      let outputs: [string, tf.Tensor][] = [];
      let updates: [string, tf.Tensor][] = [];
      tf.tidy(() => {
        const fed: Tensors = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, toTensor(value)]));
        const result = fn(Object.fromEntries(variables.tensors), fed);
        const own = (tensors: Tensors) => Object.entries(tensors).map(([name, tensor]): [string, tf.Tensor] => [name, tf.keep(tf.clone(tensor))]);
        outputs = own(result.outputs);
        updates = own(result.updates ?? {});
      });
      try {
        for (const [name, tensor] of updates) variables.replace(name, tensor);
        return Object.fromEntries(await Promise.all(outputs.map(async ([name, tensor]) => [name, await toHost(tensor)] as const)));
      } finally {
        for (const [, tensor] of outputs) tensor.dispose();
      }
    },
    dispose() {},
  };
}

function toTensor(value: HostTensor): tf.Tensor {
  return tf.tensor(value.data, [...value.shape], value.dtype);
}

function keepTensor(value: HostTensor): tf.Tensor {
  // Copied: a backend may keep the array it is given, and the caller may go on to change it.
  return tf.keep(toTensor({ ...value, data: value.data.slice() }));
}

async function toHost(tensor: tf.Tensor): Promise<HostTensor> {
  const data = (await tensor.data()) as Float32Array | Int32Array | Uint8Array;
  return { dtype: tensor.dtype as HostTensor['dtype'], shape: tensor.shape, data };
}
