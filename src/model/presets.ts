import { parseConfig } from '../config/load.js';
import { ModelConfig } from './config.js';

const preset = (sizes: Partial<ModelConfig>): ModelConfig => parseConfig(ModelConfig, sizes);

/**
 * Named sizes. Of ScDiVa-Base (350M parameters) and ScDiVa-Large (1.5B) hidden width, layers, heads and context are published and the
 * feed-forward width is not: twice the hidden width is the one that gives their parameter counts (343M and 1.53B).
 */
export const MODEL_PRESETS = {
  ScDiVa: preset({ hiddenDim: 512, numLayers: 12, numHeads: 8, ffnDim: 2048, maxGenes: 1200 }),
  'ScDiVa-Base': preset({ hiddenDim: 1024, numLayers: 24, numHeads: 16, ffnDim: 2048, maxGenes: 20_000 }),
  'ScDiVa-Large': preset({ hiddenDim: 2048, numLayers: 32, numHeads: 32, ffnDim: 4096, maxGenes: 30_000 }),
  /** Learns something from a few thousand cells on a laptop. */
  small: preset({ hiddenDim: 128, numLayers: 4, numHeads: 4, ffnDim: 512, maxGenes: 512 }),
  /** For tests and dry runs. */
  tiny: preset({ hiddenDim: 32, numLayers: 2, numHeads: 4, ffnDim: 64, maxGenes: 64 }),
} as const satisfies Record<string, ModelConfig>;

export type ModelPresetName = keyof typeof MODEL_PRESETS;
