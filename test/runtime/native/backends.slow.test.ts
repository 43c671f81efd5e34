import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { hasNative } from '../../support/tensorflow.js';

interface Values {
  readonly dtype: string;
  readonly shape: number[];
  readonly values: (number | null)[];
}
type Results = Record<string, { readonly value: Values; readonly grads: Values[]; readonly error?: string }>;

function node(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, SCDIVA_BACKEND: undefined, TF_CPP_MIN_LOG_LEVEL: undefined, ...env },
  });
  return { status, stdout, stderr };
}

function runOps(backend: 'native' | 'wasm') {
  const { status, stdout, stderr } = node([fileURLToPath(new URL('./training-ops.mjs', import.meta.url)), backend]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as { loaded: { kind: string; version: string }; results: Results };
}

/** Loads as a user's program would and prints what it got. */
const LOAD = `
import { loadTensorFlow } from ${JSON.stringify(new URL('../../../dist/runtime/native/load.js', import.meta.url).href)};
const notices = [];
const loaded = await loadTensorFlow({ notice: (line) => notices.push(line) }).catch((error) => ({ error: error.message, exitCode: error.exitCode }));
console.log(JSON.stringify({ loaded, notices }));
`;
const load = (env: NodeJS.ProcessEnv) => {
  const { stdout, stderr } = node(['--input-type=module', '-e', LOAD], env);
  return { ...(JSON.parse(stdout) as { loaded: Record<string, unknown>; notices: string[] }), stderr };
};

describe('WebAssembly', () => {
  it.runIf(hasNative)('computes every op of training, and its gradients, as native TensorFlow does to 1e-5, in silence', () => {
    const native = runOps('native');
    const wasm = runOps('wasm');
    expect(native.loaded.kind).toBe('native');
    expect(wasm.loaded.kind).toBe('wasm');
    expect(Object.keys(native.results).length).toBeGreaterThan(100);
    const differences = Object.entries(native.results).flatMap(([name, expected]) => {
      const actual = wasm.results[name]!;
      if (expected.error ?? actual.error) return [`${name}: ${expected.error ?? 'fine'} | ${actual.error ?? 'fine'}`];
      const pairs: [Values, Values][] = [[expected.value, actual.value], ...expected.grads.map((grad, i): [Values, Values] => [grad, actual.grads[i]!])];
      return pairs.flatMap(([a, b], i) =>
        agree(a, b) ? [] : [`${name}, ${i === 0 ? 'value' : `gradient ${i - 1}`}: ${JSON.stringify(a)} | ${JSON.stringify(b)}`],
      );
    });
    expect(differences).toEqual([]);
  });
});

/** JSON has null for NaN and both infinities, which the cases do not mix. */
function agree(a: Values, b: Values): boolean {
  if (a.dtype !== b.dtype || String(a.shape) !== String(b.shape) || a.values.length !== b.values.length) return false;
  return a.values.every((x, i) => {
    const y = b.values[i]!;
    return x === null || y === null ? x === y : Math.abs(x - y) <= 1e-5 * Math.max(1, Math.abs(x));
  });
}

describe('loading TensorFlow', () => {
  it.runIf(hasNative)('takes native where it is set up, without a word', () => {
    expect(load({})).toEqual({ loaded: { kind: 'native', version: '2.21.0', device: expect.any(String) as string }, notices: [], stderr: '' });
  });

  it.runIf(hasNative)('is as silent in the child of a process that has loaded it', () => {
    expect(load({ TF_CPP_MIN_LOG_LEVEL: '2' }).stderr).toBe('');
  });

  it.runIf(hasNative)('lets TensorFlow talk when the user wants it to', () => {
    expect(load({ TF_CPP_MIN_LOG_LEVEL: '0' }).stderr).toContain('oneDNN');
  });

  const nowhere = { SCDIVA_CACHE: join(tmpdir(), 'scdiva-no-cache-here') };

  it('goes on with WebAssembly and says why in one line', () => {
    const { loaded, notices, stderr } = load(nowhere);
    expect(loaded).toMatchObject({ kind: 'wasm', version: '4.22.0' });
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/WebAssembly backend: .*native TensorFlow.*$/);
    expect(stderr).toBe('');
  });

  it('does as SCDIVA_BACKEND says', () => {
    expect(load({ SCDIVA_BACKEND: 'wasm' })).toMatchObject({ loaded: { kind: 'wasm' }, notices: [] });
    expect(load({ ...nowhere, SCDIVA_BACKEND: 'native' })).toMatchObject({
      loaded: { exitCode: 2, error: expect.stringMatching(/native TensorFlow/) as string },
    });
    expect(load({ SCDIVA_BACKEND: 'gpu' }).loaded).toEqual({ error: 'SCDIVA_BACKEND: no backend called gpu (expected auto, native, wasm)', exitCode: 2 });
  });
});

describe('scdiva doctor', () => {
  const doctor = (env: NodeJS.ProcessEnv = {}) => node([fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url)), 'doctor', '--json'], env);

  it('names what is missing and the mend, and ends well as long as something runs', () => {
    const { status, stdout } = doctor({ SCDIVA_CACHE: join(tmpdir(), 'scdiva-no-cache-here') });
    const diagnosis = JSON.parse(stdout) as { backend: string; shortcomings: { found: string; mend: string }[]; machine: { cpu: { cores: number } } };
    expect(status).toBe(0);
    expect(diagnosis.backend).toBe('wasm');
    expect(diagnosis.machine.cpu.cores).toBeGreaterThan(0);
    expect(diagnosis.shortcomings.map(({ found }) => found).join()).toMatch(/native TensorFlow/);
    expect(diagnosis.shortcomings.every(({ mend }) => mend.length > 0)).toBe(true);
  });
});
