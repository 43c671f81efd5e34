import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SetupError } from '../../errors.js';
import { compileAddon, findCompiler } from './addon.js';
import { cacheFolder, stageKey } from './cache-folder.js';
import { obstacle, thisPlatform } from './platform.js';
import { probe, type Probed } from './probe.js';
import { findPython } from './python.js';
import { cudaWheels, isHeader, isLibrary, tensorflowWheels, type Variant } from './release.js';
import { requirementsOf, unmet } from './requirements.js';
import { stage, type Distribution, type StageOptions, type Staged } from './stage.js';

export interface SetUp extends Staged, Probed {
  readonly variant: Variant;
}

export interface SetUpOptions extends Omit<StageOptions, 'python'> {
  readonly variant: Variant;
}

/**
 * Stages native TensorFlow for this machine and tries it.
 * @throws SetupError with what is missing and the mend; nothing is downloaded before the machine is known to have what it takes
 */
export async function setUpNative({ variant, ...options }: SetUpOptions): Promise<SetUp> {
  const never = obstacle(thisPlatform());
  if (never) throw new SetupError({ ...never, hint: 'the WebAssembly backend runs here without any set-up' });
  const compiler = await findCompiler();
  const python = await findPython();
  const staged = await stage(distribution(variant, compiler.program, options), cacheFolder(), { ...options, python });
  return { ...staged, variant, ...(await probe(staged.folder)) };
}

/** Peak: the unpacked libraries, the addon's build, and the wheels until the end. */
const BYTES_NEEDED: Readonly<Record<Variant, number>> = { cpu: 1.3e9, cuda: 9.5e9 };

function distribution(variant: Variant, compiler: string, { say = () => {}, signal }: StageOptions): Distribution {
  return {
    key: stageKey(variant),
    wheels: variant === 'cuda' ? [tensorflowWheels.cuda, ...cudaWheels] : [tensorflowWheels.cpu],
    isWanted: (entry) => isLibrary(entry) || isHeader(entry),
    bytesNeeded: BYTES_NEEDED[variant],
    async finish(folder) {
      if (variant === 'cuda') await checkCudaPins(folder);
      say('compiling the TensorFlow.js addon');
      await compileAddon(folder, compiler, signal);
      await rm(join(folder, 'tensorflow/include'), { recursive: true });
      await probe(folder);
    },
  };
}

/** The pins in release.ts are chosen by hand: hold them against what the TensorFlow wheel itself asks for. */
async function checkCudaPins(folder: string): Promise<void> {
  const info = (await readdir(folder)).find((name) => /^tensorflow-.*\.dist-info$/.test(name));
  const requirements = requirementsOf(await readFile(join(folder, info!, 'METADATA'), 'utf8'), 'and-cuda');
  const flaw = requirements.length === 0 ? 'the wheel names no CUDA packages' : unmet(requirements, cudaWheels);
  if (flaw) throw new Error(`pinned CUDA wheels do not fit TensorFlow: ${flaw}`);
}
