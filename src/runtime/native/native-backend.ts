import { closeSync, openSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs-core';
import { ADDON } from './addon.js';
import { koffi } from './foreign.js';

const require = createRequire(import.meta.url);

export interface NativeBackend {
  readonly tf: typeof tfjs;
  /** TensorFlow's own version. */
  readonly version: string;
  readonly hasGpu: boolean;
}

/** Loads @tensorflow/tfjs-node-gpu with the addon and the libraries of a staged folder; its backend is the active one afterwards. */
export function loadNativeFolder(folder: string): NativeBackend {
  restoreLegacyUtil();
  // TensorFlow's CPU devices share one pool of threads, sized by the first of them, which is the eager one made below. With this
  // each session has its own, of the size that its configuration says. Read by TensorFlow when it makes that first device.
  process.env['TF_OVERRIDE_GLOBAL_THREADPOOL'] ??= '1';
  const tf = withAddon(join(folder, ADDON), () => withoutGreeting(() => require('@tensorflow/tfjs-node-gpu') as typeof tfjs));
  const { binding } = tf.backend() as unknown as { binding: { TF_Version: string; isUsingGpuDevice(): boolean } };
  return { tf, version: binding.TF_Version, hasGpu: binding.isUsingGpuDevice() };
}

/** @tensorflow/tfjs-node-gpu 4.22 calls two functions of `util` that Node 22 warns of and Node 24 has not all of. */
function restoreLegacyUtil(): void {
  const legacy = util as unknown as Record<string, unknown>;
  legacy['isNullOrUndefined'] = (value: unknown) => value == null;
  legacy['isArray'] = Array.isArray;
}

/**
 * The package asks @mapbox/node-pre-gyp where its addon is and looks nowhere else; for the time of `load` the answer is ours.
 * node_modules stays as npm made it: `npm ci` loses nothing, and it may be read-only or shared.
 */
function withAddon<T>(addon: string, load: () => T): T {
  const path = createRequire(require.resolve('@tensorflow/tfjs-node-gpu')).resolve('@mapbox/node-pre-gyp');
  const before = require.cache[path];
  const answer = new Module(path);
  answer.exports = { find: () => addon };
  answer.loaded = true;
  require.cache[path] = answer;
  try {
    return load();
  } finally {
    if (before) require.cache[path] = before;
    else delete require.cache[path];
  }
}

/**
 * TensorFlow's greeting is silenced, unless the user asks for it with a TF_CPP_MIN_LOG_LEVEL of 0 or 1. The variable alone does
 * not do it: one line (`oneDNN custom operations are on`) is written by a static initialiser before the variable is read, so
 * stderr points to nowhere while the library is mapped. What goes wrong there is not lost: it comes back as the error of `load`.
 */
function withoutGreeting<T>(load: () => T): T {
  const level = (process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2');
  if (Number(level) < 2) return load();
  const libc = koffi.load('libc.so.6');
  const dup = libc.func('int dup(int)') as (fd: number) => number;
  const dup2 = libc.func('int dup2(int, int)') as (from: number, to: number) => number;
  const stderr = dup(2);
  const nowhere = openSync('/dev/null', 'w');
  dup2(nowhere, 2);
  try {
    return load();
  } finally {
    dup2(stderr, 2);
    closeSync(stderr);
    closeSync(nowhere);
  }
}
