import type * as tf from '@tensorflow/tfjs-core';

/** A tensor outside TensorFlow. bool is one byte a value, 0 or 1. */
export interface HostTensor {
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}
export type HostTensors = Readonly<Record<string, HostTensor>>;
export type Tensors = Readonly<Record<string, tf.Tensor>>;

/**
 * What can be compiled: a pure function of variables and inputs, written in TensorFlow.js ops, gradients included
 * (`gradients()` below). It reads no tensor back, draws no random number in JavaScript and has no side effect; new values for
 * variables are returned in `updates`, by name.
 */
export type ProgramFn = (variables: Tensors, inputs: Tensors) => { outputs: Tensors; updates?: Tensors };

/** A compiled function: typed arrays in, typed arrays out. Input shapes may differ from call to call (one trace per shape). */
export interface Program {
  run(inputs: HostTensors): Promise<HostTensors>;
  dispose(): void;
}

/** Named state that outlives a call: parameters, moments, accumulators. Lives where the program runs. */
export interface Variables {
  readonly names: readonly string[];
  /** @param names default all */
  read(names?: readonly string[]): Promise<HostTensors>;
  /** Shapes and dtypes must match; names not given stay as they are. */
  write(values: HostTensors): Promise<void>;
  /** Adds a variable. @throws if the name is taken */
  create(values: HostTensors): Promise<void>;
  /** @throws if there is no such variable */
  shapeOf(name: string): readonly number[];
  dispose(): void;
}

export interface CompileOptions {
  readonly variables: Variables;
  /** bf16: matrix products in bfloat16, everything else in float32 (graph executor only). */
  readonly precision?: 'f32' | 'bf16';
  /** For messages and profiles. */
  readonly name?: string;
}

/** The one way tensors are computed with in this project: eager TensorFlow.js, or the same functions as one TensorFlow graph. */
export interface Executor {
  readonly kind: 'eager' | 'graph';
  createVariables(initial: HostTensors): Promise<Variables>;
  compile(fn: ProgramFn, options: CompileOptions): Program;
  dispose(): void;
}
