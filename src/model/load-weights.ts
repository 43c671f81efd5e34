import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import type { HostTensor, HostTensors } from '../runtime/program/program.js';
import type { ModelConfig } from './config.js';
import { parameterSpecs, type ParameterSpec } from './parameters.js';
import { PyTorchFile } from './pytorch/pytorch-file.js';
import { SafetensorsFile } from './safetensors.js';
import { ShardedWeights } from './sharded-weights.js';
import type { WeightsFile } from './weights-file.js';

/** The weights file of a checkpoint folder of this project. */
export const WEIGHTS_FILE = 'model.safetensors';

/** The weights a checkpoint folder may hold, the first that is there counts. */
export const WEIGHTS_FILES = [
  WEIGHTS_FILE,
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'model.pt',
  'model.pth',
] as const;

/** What wrappers of PyTorch put before the name of every parameter. */
const WRAPPERS = ['module.', '_orig_mod.'];

/** Opens whichever file of weights a folder holds. @throws CheckpointError where there is none or it is damaged */
async function openWeights(folder: string): Promise<WeightsFile> {
  const name = WEIGHTS_FILES.find((file) => existsSync(join(folder, file)));
  if (name === undefined)
    throw new CheckpointError({ file: join(folder, WEIGHTS_FILE), found: 'no such file', expected: `weights: ${WEIGHTS_FILES.join(', ')}` });
  const path = join(folder, name);
  return name.endsWith('.index.json') ? ShardedWeights.open(path, openFile) : openFile(path);
}

function openFile(path: string): Promise<WeightsFile> {
  return path.endsWith('.safetensors') ? SafetensorsFile.open(path) : PyTorchFile.open(path);
}

/**
 * The parameters of one model in a folder's weights: all there, none besides, each of the right shape and a floating type. Values are read one
 * tensor at a time, so that they need not be in memory together.
 */
export class ModelWeights {
  private constructor(
    private readonly file: WeightsFile,
    private readonly specs: readonly ParameterSpec[],
    /** What the file puts before every name. */
    private readonly prefix: string,
  ) {}

  /** @throws CheckpointError naming the first tensor that is missing, unexpected or of another size, before any values are read */
  static async open(folder: string, config: ModelConfig, vocabSize: number): Promise<ModelWeights> {
    const file = await openWeights(folder);
    try {
      const specs = parameterSpecs(config, vocabSize);
      const prefix = commonPrefix(file.names);
      checkNames(
        file,
        specs.map(({ name }) => prefix + name),
      );
      for (const { name, shape } of specs) {
        const entry = file.entry(prefix + name);
        if (String(entry.shape) !== String(shape))
          throw new CheckpointError({
            file: file.path,
            key: name,
            found: `shape [${entry.shape.join(', ')}]`,
            expected: `[${shape.join(', ')}] by config.json`,
          });
        if (!/^B?F\d+$/.test(entry.dtype)) throw new CheckpointError({ file: file.path, key: name, found: `type ${entry.dtype}`, expected: 'a floating type' });
      }
      return new ModelWeights(file, specs, prefix);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The file that was opened, or the index of several and these. */
  get files(): readonly string[] {
    return this.file.files;
  }

  /** Stored types, each once. */
  get dtypes(): readonly string[] {
    return [...new Set(this.specs.map(({ name }) => this.file.entry(this.prefix + name).dtype))];
  }

  /** Name by name in state-dict order, float32. @param isWanted default all */
  async *parameters(isWanted: (name: string) => boolean = () => true): AsyncGenerator<readonly [name: string, tensor: HostTensor]> {
    for (const { name } of this.specs) if (isWanted(name)) yield [name, await this.file.read(this.prefix + name)];
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/**
 * Reads every parameter of the model from a checkpoint folder.
 * @returns float32 by state-dict name, the model's parameters alone
 * @throws CheckpointError as `ModelWeights.open`
 */
export async function loadParameters(folder: string, config: ModelConfig, vocabSize: number): Promise<HostTensors> {
  const weights = await ModelWeights.open(folder, config, vocabSize);
  try {
    const parameters: Record<string, HostTensor> = {};
    for await (const [name, tensor] of weights.parameters()) parameters[name] = tensor;
    return parameters;
  } finally {
    await weights.close();
  }
}

function commonPrefix(names: readonly string[]): string {
  let prefix = '';
  for (;;) {
    const next = WRAPPERS.find((wrapper) => names.length > 0 && names.every((name) => name.startsWith(prefix + wrapper)));
    if (next === undefined) return prefix;
    prefix += next;
  }
}

function checkNames(file: WeightsFile, expected: readonly string[]): void {
  const missing = expected.filter((name) => !file.has(name));
  if (missing.length)
    throw new CheckpointError({
      file: file.path,
      key: missing[0],
      found: 'missing',
      hint: `${missing.length} of ${expected.length} tensors are; do config.json and weights belong together?`,
    });
  const known = new Set(expected);
  const extra = file.names.filter((name) => !known.has(name));
  if (extra.length)
    throw new CheckpointError({
      file: file.path,
      key: extra[0],
      found: 'no such parameter in this model',
      hint: `${extra.length} such tensors; do config.json and weights belong together?`,
    });
}
