import type { VariationalConfig } from '../../tasks/variational/config.js';
import type { VariationalResult } from '../../tasks/variational/finetune.js';
import { defineFinetune } from './finetune-verb.js';
import { GENERATION_COLUMNS } from './generation-columns.js';

export const finetuneVariational = defineFinetune<VariationalConfig, VariationalResult>({
  task: 'variational',
  describe: 'give a pretrained model a variational latent space that cells are rebuilt from and new ones are drawn from; scores both on held-out cells',
  exampleSet: 'latent.klWeight=0.5',
  columns: [
    ['elbo', 'ELBO'],
    ['reconstructionLoss', 'nll'],
    ['klLoss', 'KL'],
    ['numActiveUnits', 'active'],
    ['reconstructionR2', 'R² rebuilt'],
    ...GENERATION_COLUMNS,
  ],
  optionalColumns: [
    ['macroF1', 'macro-F1'],
    ['avgBio', 'Avg-Bio'],
    ['avgBatch', 'Avg-Batch'],
  ],
  async load() {
    const [{ loadConfig }, { VariationalConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/variational/config.js')]);
    return {
      loadConfig: (path, set) => loadConfig(VariationalConfig, path, set),
      finetune: async (request) => (await import('../../tasks/variational/finetune.js')).finetuneVariational(request),
      json: (result) => result,
      remarks: ({ numGenerated, latentDim, methods: [model] }) => [
        `ELBO, nll and KL in nats a cell; ${numGenerated} made cells against as many held-out ones: an AUC of 0.5 means that they cannot be told apart`,
        ...(model!.runs[0]!['numActiveUnits'] === 0
          ? [`none of the ${latentDim} latent dimensions is used (collapsed): lower latent.klWeight, or train longer`]
          : []),
      ],
    };
  },
});
