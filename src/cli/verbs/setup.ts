import { SetupError } from '../../errors.js';
import type { SetUp } from '../../runtime/native/setup.js';
import { defineVerb, type VerbResult } from '../verb.js';

export const setup = defineVerb<{ gpu: boolean; force: boolean; optional: boolean }>({
  command: 'setup',
  describe: 'download and build native TensorFlow for this machine',
  options: (y) =>
    y
      .option('gpu', { type: 'boolean', default: false, describe: 'the CUDA build and NVIDIA’s libraries (3.3 GB to download)' })
      .option('force', { type: 'boolean', default: false, describe: 'set up again even if all is there' })
      .option('optional', { type: 'boolean', default: false, describe: 'where it cannot be had, say why and end well: the WebAssembly backend runs without' }),
  async run({ gpu, force, optional }, { progress, signal }) {
    const { setUpNative } = await import('../../runtime/native/setup.js');
    const loops = await compileLoops(signal);
    try {
      const { json, text } = await described(await setUpNative({ variant: gpu ? 'cuda' : 'cpu', isForced: force, progress, signal }));
      return { json: { ...json, ...loops.json }, text: [text, loops.text].filter(Boolean).join('\n') };
    } catch (error) {
      if (!optional || !(error instanceof SetupError)) throw error;
      return {
        json: { backend: 'wasm', reason: error.message, ...loops.json },
        text: `no native TensorFlow, the slower WebAssembly backend will be used: ${error.message}`,
      };
    }
  },
});

/** The loader's threads do without, slower: where they have to, that is said. */
async function compileLoops(signal: AbortSignal): Promise<VerbResult> {
  const { buildBatchAddon } = await import('../../data/loader/batch-addon.js');
  try {
    await buildBatchAddon({ signal });
    return { json: { compiledLoops: true }, text: '' };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return { json: { compiledLoops: false }, text: `the loader will use WebAssembly, slower: ${error.message}` };
  }
}

async function described({ folder, isReused, mended, variant, version, hasGpu }: SetUp): Promise<VerbResult> {
  const { nvidiaGpus } = await import('../../runtime/native/gpu.js');
  const lines = [`TensorFlow ${version} (${variant}) is ${isReused ? 'set up, every file verified' : 'ready'}; it computes on the ${hasGpu ? 'GPU' : 'CPU'}`];
  if (mended) lines.unshift(`what was there was damaged (${mended}) and has been replaced`);
  if (variant === 'cuda' && !hasGpu) lines.push('no usable GPU was found: scdiva doctor tells more');
  if (variant === 'cpu' && nvidiaGpus().length > 0) lines.push('an NVIDIA GPU is here: scdiva setup --gpu uses it');
  return { json: { backend: 'native', version, variant, device: hasGpu ? 'gpu' : 'cpu', folder, isReused, mended }, text: lines.join('\n') };
}
