import type { IntegrationConfig } from '../../tasks/integration/config.js';
import type { IntegrationResult } from '../../tasks/integration/finetune.js';
import { defineFinetune } from './finetune-verb.js';

export const finetuneIntegration = defineFinetune<IntegrationConfig, IntegrationResult>({
  task: 'integration',
  describe: 'teach a pretrained model to place cells of one type together whatever their batch; scores it beside PCA and Harmony on held-out cells',
  exampleSet: 'contrastive.kind=clusters',
  columns: [
    ['avgBio', 'Avg-Bio'],
    ['avgBatch', 'Avg-Batch'],
    ['nmi', 'NMI'],
    ['ari', 'ARI'],
    ['aswLabel', 'ASW label'],
    ['aswBatch', 'ASW batch'],
    ['graphConnectivity', 'graph conn.'],
    ['kbet', 'kBET'],
    ['ilisi', 'iLISI'],
    ['clisi', 'cLISI'],
  ],
  async load() {
    const [{ loadConfig }, { IntegrationConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/integration/config.js')]);
    return {
      loadConfig: (path, set) => loadConfig(IntegrationConfig, path, set),
      finetune: async (request) => (await import('../../tasks/integration/finetune.js')).finetuneIntegration(request),
      json: (result) => result,
      remarks: ({ contrastive, labelKey }) => [
        ...(contrastive === 'labels'
          ? ['ScDiVa has seen the types of training cells; PCA and Harmony have seen none']
          : ['ScDiVa has learned from clusters after Harmony; no method has seen a type']),
        ...(labelKey === null ? ['no types: ASW batch and graph connectivity take all cells as one type'] : []),
      ],
    };
  },
});
