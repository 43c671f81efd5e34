import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import type { HostTensor, HostTensors } from '../runtime/program/program.js';
import type { ModelConfig } from './config.js';
import { parameterSpecs } from './parameters.js';
import { SafetensorsFile } from './safetensors.js';

/** The weights file of a checkpoint folder. */
export const WEIGHTS_FILE = 'model.safetensors';

/** Weights files of PyTorch that a released folder may hold instead. */
const PYTORCH_FILES = ['pytorch_model.bin', 'model.pt', 'model.pth'];

/**
 * Reads every parameter of the model from a checkpoint folder.
 * @returns float32 by state-dict name, the model's parameters alone
 * @throws CheckpointError naming the first tensor that is missing, unexpected or of another size, before any values are read
 */
export async function loadParameters(folder: string, config: ModelConfig, vocabSize: number): Promise<HostTensors> {
  const path = join(folder, WEIGHTS_FILE);
  const pickle = existsSync(path) ? undefined : PYTORCH_FILES.find((name) => existsSync(join(folder, name)));
  if (pickle) throw new CheckpointError({ file: path, found: `no such file, only ${pickle}`, hint: 'save its state dict as model.safetensors with the safetensors package' });
  const file = await SafetensorsFile.open(path);
  try {
    const specs = parameterSpecs(config, vocabSize);
    checkNames(file, specs.map(({ name }) => name));
    for (const { name, shape } of specs) {
      const entry = file.entry(name);
      if (String(entry.shape) !== String(shape)) throw new CheckpointError({ file: path, key: name, found: `shape [${entry.shape.join(', ')}]`, expected: `[${shape.join(', ')}] by config.json` });
      if (!/^B?F\d+$/.test(entry.dtype)) throw new CheckpointError({ file: path, key: name, found: `type ${entry.dtype}`, expected: 'a floating type' });
    }
    const parameters: Record<string, HostTensor> = {};
    for (const { name } of specs) parameters[name] = await file.read(name);
    return parameters;
  } finally {
    await file.close();
  }
}

function checkNames(file: SafetensorsFile, expected: readonly string[]): void {
  const missing = expected.filter((name) => !file.has(name));
  if (missing.length) throw new CheckpointError({ file: file.path, key: missing[0], found: 'missing', hint: `${missing.length} of ${expected.length} tensors are; do config.json and weights belong together?` });
  const known = new Set(expected);
  const extra = file.names.filter((name) => !known.has(name));
  if (extra.length) throw new CheckpointError({ file: file.path, key: extra[0], found: 'no such parameter in this model', hint: `${extra.length} such tensors; do config.json and weights belong together?` });
}
