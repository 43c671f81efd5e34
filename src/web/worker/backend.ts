import * as tf from '@tensorflow/tfjs-core';
import { loadGraphModel, type GraphModel } from '@tensorflow/tfjs-converter';
import type { BackendName, SiteSettings } from '../messages.js';
import { ModelRunner } from './model-runner.js';

/** Fastest first. */
const BACKENDS: readonly BackendName[] = ['webgpu', 'webgl', 'wasm'];
const NAMES: Record<BackendName, string> = { webgpu: 'WebGPU', webgl: 'WebGL', wasm: 'WebAssembly' };

/** More than this from what Node computes, and a backend is not used: entries of an embedding are around 1. */
const LARGEST_DIFFERENCE = 1e-3;

/** What rounded weights add to that. */
const OF_ROUNDED_WEIGHTS: Record<SiteSettings['weights'], number> = { f32: 0, f16: 0.05, u8: 1 };

export interface Started {
  readonly backend: BackendName;
  readonly runner: ModelRunner;
  readonly difference: number;
  readonly refused: readonly string[];
}

/**
 * Starts the fastest backend there is and that computes what Node computes.
 * @param base URL of the folder that holds the page
 * @throws Error with one sentence where there is none
 */
export async function startBackend(base: URL, settings: SiteSettings, wanted: BackendName | undefined, onLoad: (share: number) => void): Promise<Started> {
  const refused: string[] = [];
  for (const backend of wanted ? [wanted] : BACKENDS) {
    try {
      await activate(backend, base, backend === wanted);
      const model: GraphModel = await loadGraphModel(new URL('model/model.json', base).href, { onProgress: onLoad });
      const runner = new ModelRunner(model, settings);
      const difference = await differenceOn(runner, settings);
      if (difference <= LARGEST_DIFFERENCE + OF_ROUNDED_WEIGHTS[settings.weights]) return { backend, runner, difference, refused };
      model.dispose();
      refused.push(`${NAMES[backend]} is not used: it computes other numbers here (off by ${difference.toPrecision(1)}).`);
    } catch (error) {
      refused.push(`${NAMES[backend]} is not used: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new Error(`This browser cannot run the model. ${refused.join(' ')}`);
}

/** Programs that draw in place of a graphics card, as browsers name them. */
const PLAYED = /swiftshader|llvmpipe|softpipe|software|basic render/i;

async function activate(backend: BackendName, base: URL, isWanted: boolean): Promise<void> {
  if (backend === 'webgpu') {
    const { gpu } = navigator as unknown as { gpu?: { requestAdapter(): Promise<{ readonly info?: { readonly isFallbackAdapter?: boolean } } | null> } };
    const adapter = await gpu?.requestAdapter();
    if (!adapter) throw new Error('this browser does not offer it.');
    if (!isWanted && adapter.info?.isFallbackAdapter) throw new Error('there is no graphics card behind it here.');
    await import('@tensorflow/tfjs-backend-webgpu');
  } else if (backend === 'webgl') {
    const context = typeof OffscreenCanvas === 'undefined' ? null : new OffscreenCanvas(1, 1).getContext('webgl2');
    if (!context) throw new Error('this browser does not offer it.');
    const names = context.getExtension('WEBGL_debug_renderer_info');
    // A graphics card played by the processor is ten times slower than WebAssembly.
    if (!isWanted && names && PLAYED.test(String(context.getParameter(names.UNMASKED_RENDERER_WEBGL))))
      throw new Error('there is no graphics card behind it here.');
    await import('@tensorflow/tfjs-backend-webgl');
  } else {
    const [{ setWasmPaths }, { mendWasmKernels }] = [await import('@tensorflow/tfjs-backend-wasm'), await import('../../runtime/native/wasm-kernels.js')];
    setWasmPaths(base.href);
    mendWasmKernels();
  }
  if (!(await tf.setBackend(backend))) throw new Error('it does not start.');
  await tf.ready();
  if (backend === 'webgl' && !tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')) throw new Error('it has no 32-bit numbers on this device.');
}

async function differenceOn(runner: ModelRunner, { probe }: SiteSettings): Promise<number> {
  const { numCells, seqLen } = probe;
  const { latent } = await runner.run({ numCells, seqLen, geneIds: Int32Array.from(probe.geneIds), values: Float32Array.from(probe.values) });
  return latent.reduce((most, value, i) => Math.max(most, Number.isFinite(value) ? Math.abs(value - probe.latent[i]!) : Infinity), 0);
}
