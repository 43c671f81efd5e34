import { defineVerb } from '../verb.js';
import { releaseFlags, type ReleaseFlags } from './release-flags.js';

interface Flags extends ReleaseFlags {
  readonly weights: string;
  readonly out: string;
}

export const importWeights = defineVerb<Flags>({
  command: 'import <weights>',
  describe: 'make a checkpoint folder out of released weights, so that every other verb can use them',
  options: (y) =>
    releaseFlags(y)
      .positional('weights', {
        type: 'string',
        demandOption: true,
        describe: 'folder with config.json and model.safetensors, pytorch_model.bin, model.pt or model.pth; or owner/name on the hub',
      })
      .option('out', { type: 'string', demandOption: true, describe: 'folder to write' }) as never,
  async run({ weights, out, genes, entropy, targetSum }, { progress, signal }) {
    const [{ locateModel }, { importCheckpoint }] = await Promise.all([import('../../hub/locate.js'), import('../../inference/import-checkpoint.js')]);
    const { vocabulary, preprocessing, modelConfig } = await importCheckpoint(await locateModel(weights, { progress, signal }), out, {
      genes,
      entropy,
      targetSum,
    });
    return {
      json: { out, numGenes: vocabulary.genes.length, preprocessing, model: modelConfig },
      text: `${out}: ${vocabulary.genes.length} genes, ${modelConfig.numLayers} layers of width ${modelConfig.hiddenDim}; scdiva inspect ${out} tells more`,
    };
  },
});
