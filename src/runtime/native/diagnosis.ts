import { createRequire } from 'node:module';
import { ScDivaError, SetupError } from '../../errors.js';
import { kernelLibrary } from '../kernels/build.js';
import { cacheFolder } from '../../toolchain/cache-folder.js';
import { findCompiler } from '../../toolchain/compiler.js';
import { stageKey, stagedFolder } from './cache-folder.js';
import { hasNvidiaDriver, nvidiaGpus } from './gpu.js';
import { findStaged } from './load.js';
import { freeBytes, thisMachine, type Machine } from './machine.js';
import { inspect } from './marker.js';
import { obstacle, thisPlatform } from './platform.js';
import { probe, probeWasm } from './probe.js';
import { findPython } from './python.js';
import { tensorflowVersion, tfjsVersion, type Variant } from './release.js';

/** Something the machine lacks, and what to do about it. */
export interface Shortcoming {
  readonly found: string;
  readonly mend: string | null;
}

export interface Diagnosis {
  readonly node: { readonly version: string; readonly isSupported: boolean };
  readonly tfjs: string;
  /** The backend a run would use now; null = none runs. */
  readonly backend: 'native' | 'wasm' | null;
  readonly tensorflow: { readonly version: string; readonly staged: readonly StagedState[] };
  /** What TensorFlow would compute on, in its order of preference. */
  readonly devices: readonly { readonly type: 'gpu' | 'cpu'; readonly name: string; readonly isUsed: boolean }[];
  readonly machine: Machine;
  readonly disk: readonly { readonly folder: string; readonly freeBytes: number }[];
  readonly python: { readonly program: string; readonly version: string; readonly pip: string } | null;
  readonly compiler: { readonly program: string; readonly version: string } | null;
  /** Have the fused kernels been compiled for this processor? They are at the next start of a run where there is a compiler. */
  readonly kernels: { readonly path: string; readonly isBuilt: boolean };
  readonly shortcomings: readonly Shortcoming[];
}

export interface StagedState {
  readonly variant: Variant;
  readonly folder: string;
  /** whole: every byte is as it was staged. */
  readonly state: 'whole' | 'absent' | 'damaged';
  readonly flaw: string | null;
}

/** Looks at everything a run depends on; changes nothing, downloads nothing. */
export async function diagnose(): Promise<Diagnosis> {
  const shortcomings: Shortcoming[] = [];
  const note = (found: string, mend: string | null) => void shortcomings.push({ found, mend });
  const attempt = async <T>(get: () => Promise<T>): Promise<T | null> => {
    try {
      return await get();
    } catch (error) {
      if (!(error instanceof ScDivaError)) throw error;
      note([error.facts.file, error.facts.found].filter(Boolean).join(': '), error.facts.hint ?? null);
      return null;
    }
  };

  const node = { version: process.versions.node, isSupported: isSupportedNode(process.versions.node) };
  if (!node.isSupported) note(`Node ${node.version} is not supported`, `install Node ${supportedNodes()}`);
  const never = obstacle(thisPlatform());
  if (never) note(never.found, 'the WebAssembly backend runs here; native TensorFlow needs ' + (never.expected ?? 'another processor'));

  const staged = await Promise.all((['cpu', 'cuda'] as const).map(stateOf));
  for (const { folder, state, flaw, variant } of staged) {
    if (state === 'damaged') note(`${folder} is damaged: ${flaw}`, `npx scdiva setup${variant === 'cuda' ? ' --gpu' : ''}`);
  }
  const chosen = findStaged();
  if (!chosen && !never) note('native TensorFlow is not set up', 'npx scdiva setup');
  const python = await attempt(() => findPython());
  const compiler = await findCompiler().catch(() => null);
  if (!compiler && !chosen && !never) await attempt(() => findCompiler());
  const kernels = await kernelLibrary();
  if (chosen && !kernels.isBuilt && !compiler)
    note('the fused kernels are not compiled and there is no compiler: training on the CPU is slower', 'install g++, then: npx scdiva setup');

  const native = chosen ? await attempt(() => probe(chosen.folder)) : null;
  const wasm = native ? null : await attempt(probeWasm);
  const gpus = nvidiaGpus();
  if (gpus.length > 0 && chosen?.variant !== 'cuda') note('an NVIDIA GPU is here and is not used', 'npx scdiva setup --gpu');
  if (gpus.length > 0 && chosen?.variant === 'cuda' && native && !native.hasGpu)
    note(
      'TensorFlow does not find the GPU',
      'update the NVIDIA driver (525 or newer for CUDA 12); CUDA_VISIBLE_DEVICES must not hide it; TF_CPP_MIN_LOG_LEVEL=0 tells more',
    );
  if (gpus.length === 0 && hasNvidiaDriver() && chosen?.variant === 'cuda' && !native?.hasGpu)
    note('an NVIDIA driver is loaded, and no GPU is to be seen', null);

  const machine = thisMachine();
  return {
    node,
    tfjs: tfjsVersion,
    backend: native ? 'native' : wasm ? 'wasm' : null,
    tensorflow: { version: native?.version ?? tensorflowVersion, staged },
    devices: [
      ...gpus.map((name) => ({ type: 'gpu' as const, name, isUsed: native?.hasGpu ?? false })),
      { type: 'cpu' as const, name: machine.cpu.model, isUsed: !native?.hasGpu },
    ],
    machine,
    disk: await Promise.all([process.cwd(), cacheFolder()].map(async (folder) => ({ folder, freeBytes: await freeBytes(folder) }))),
    python,
    compiler,
    kernels,
    shortcomings,
  };
}

async function stateOf(variant: Variant): Promise<StagedState> {
  const folder = stagedFolder(variant);
  const flaw = await inspect(folder, stageKey(variant));
  return { variant, folder, state: flaw === null ? 'whole' : flaw === 'absent' ? 'absent' : 'damaged', flaw: flaw === 'absent' ? null : flaw };
}

function supportedNodes(): string {
  const { engines } = createRequire(import.meta.url)('../../../package.json') as { engines: { node: string } };
  return engines.node;
}

/** Reads `engines.node` as it is written in package.json: `^20.19.0 || ^22.12.0 || >=24`. */
export function isSupportedNode(version: string, range = supportedNodes()): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return range.split('||').some((part) => {
    const match = /^\s*(\^|>=)\s*(\d+)(?:\.(\d+))?/.exec(part);
    if (!match) throw new SetupError({ file: 'package.json', key: 'engines.node', found: `a range this code does not read: ${part.trim()}` });
    const [wantMajor, wantMinor] = [Number(match[2]), Number(match[3] ?? 0)];
    return (major === wantMajor && minor >= wantMinor) || (match[1] === '>=' && major > wantMajor);
  });
}
