import type { MultimodalConfig } from '../../tasks/multimodal/config.js';
import type { MultimodalResult } from '../../tasks/multimodal/finetune.js';
import { defineFinetune } from './finetune-verb.js';

export const finetuneMultimodal = defineFinetune<MultimodalConfig, MultimodalResult>({
  task: 'multimodal',
  describe: 'train a pretrained model on RNA and surface proteins (CITE-seq) together; scores the proteins it tells from RNA beside ridge regression',
  exampleSet: 'data.proteinKey=prot',
  columns: [
    ['proteinPearson', 'Pearson'],
    ['proteinRmse', 'RMSE'],
  ],
  async load() {
    const [{ loadConfig }, { MultimodalConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/multimodal/config.js')]);
    return {
      loadConfig: (path, set) => loadConfig(MultimodalConfig, path, set),
      finetune: async (request) => (await import('../../tasks/multimodal/finetune.js')).finetuneMultimodal(request),
      json: (result) => result,
      remarks: ({ proteins, scale }) => [`means over ${proteins.length} proteins, ${scale === 'none' ? 'as stored' : scale}; each of them: multimodal.json`],
    };
  },
});
