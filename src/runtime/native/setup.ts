import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SetupError } from '../../errors.js';
import { silentProgress } from '../../progress.js';
import { cacheFolder } from '../../toolchain/cache-folder.js';
import { findCompiler } from '../../toolchain/compiler.js';
import { compileAddon } from './addon.js';
import { stageKey } from './cache-folder.js';
import { checkCudaPins, linkSolver } from './cuda.js';
import { buildKernels } from '../kernels/build.js';
import { FRAMEWORK } from './load.js';
import { obstacle, thisPlatform } from './platform.js';
import { probe, type Probed } from './probe.js';
import { cudaWheels, isHeader, isLibrary, tensorflowWheels, type Variant } from './release.js';
import { stage, type Distribution, type StageOptions, type Staged } from './stage.js';

export interface SetUp extends Staged, Probed {
  readonly variant: Variant;
}

export interface SetUpOptions extends StageOptions {
  readonly variant: Variant;
}

/**
 * Stages native TensorFlow for this machine and tries it.
 * @throws SetupError with what is missing and the mend; nothing is downloaded before the machine is known to have what it takes
 */
export async function setUpNative({ variant, ...options }: SetUpOptions): Promise<SetUp> {
  const never = obstacle(thisPlatform());
  if (never) throw new SetupError({ ...never, hint: 'the WebAssembly backend runs here without any set-up' });
  const staged = await stage(distribution(variant, options), cacheFolder(), options);
  const probed = await probe(staged.folder);
  if (!probed.hasGpu) await buildKernels(join(staged.folder, FRAMEWORK), options);
  return { ...staged, variant, ...probed };
}

/** Peak: the unpacked libraries, the addon's build, and the wheels until the end. */
const BYTES_NEEDED: Readonly<Record<Variant, number>> = { cpu: 1.3e9, cuda: 9.5e9 };

function distribution(variant: Variant, { progress = silentProgress, signal }: StageOptions): Distribution {
  return {
    key: stageKey(variant),
    wheels: variant === 'cuda' ? [tensorflowWheels.cuda, ...cudaWheels] : [tensorflowWheels.cpu],
    isWanted: (entry) => isLibrary(entry) || isHeader(entry),
    bytesNeeded: BYTES_NEEDED[variant],
    check: async () => void (await findCompiler()),
    async finish(folder) {
      if (variant === 'cuda') {
        await checkCudaPins(folder);
        await linkSolver(folder);
      }
      const bar = progress.start('compiling the TensorFlow.js addon and trying it', 2, 'steps');
      try {
        await compileAddon(folder, (await findCompiler()).program, signal);
        bar.update(1);
        await rm(join(folder, 'tensorflow/include'), { recursive: true });
        const { findsCuda } = await probe(folder);
        if (findsCuda === false) throw new Error('TensorFlow does not find the CUDA libraries that were staged for it');
        bar.update(2);
      } finally {
        bar.stop();
      }
    },
  };
}
