import { openCheckpoint } from '../../train/checkpoint.js';
import { writeModelFiles } from '../import-checkpoint.js';
import type { ExportFormat } from './format.js';
import { runSignatures } from './run-signatures.js';

/**
 * The released layout, which the public PyTorch implementation loads: model.safetensors in float32 under the released names, config.json with
 * upper-case keys. Beside these what `fromPretrained` needs, so that the folder is a checkpoint of this package, too.
 */
export const safetensorsFormat: ExportFormat = {
  name: 'safetensors',
  describe: 'PyTorch: released names and layout',
  tolerance: 0,
  write: ({ checkpoint }, folder) => writeModelFiles(folder, checkpoint),
  open: async (folder) => runSignatures(await openCheckpoint(folder)),
};
