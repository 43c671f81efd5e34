import type { PerturbationConfig } from '../../tasks/perturbation/config.js';
import type { PerturbationResult } from '../../tasks/perturbation/results.js';
import { defineFinetune } from './finetune-verb.js';

const COLUMNS = [
  ['pearsonDelta', 'Pearson Δ'],
  ['mseTop20De', 'DE-MSE'],
  ['deAuprc', 'DE-AUPRC'],
  ['lfcSpearman', 'LFC Spearman'],
  ['hitRate20', 'HR@20'],
  ['meanCollapseIndex', 'collapse index'],
  ['numPerturbations', 'perturbations'],
] as const;

export const finetunePerturbation = defineFinetune<PerturbationConfig, PerturbationResult>({
  task: 'perturbation',
  describe: 'teach a pretrained model what knock-outs and activations do; scores it on held-out perturbations beside simple methods and the ceiling',
  exampleSet: 'split.unseenGeneShare=0',
  columns: COLUMNS,
  async load() {
    const [{ loadConfig }, { PerturbationConfig }, { methodLines }] = await Promise.all([
      import('../../config/load.js'),
      import('../../tasks/perturbation/config.js'),
      import('../../tasks/finetune/methods.js'),
    ]);
    return {
      loadConfig: (path, set) => loadConfig(PerturbationConfig, path, set),
      finetune: async (request) => (await import('../../tasks/perturbation/finetune.js')).finetunePerturbation(request),
      json: (result) => result,
      remarks: ({ groups }) => [
        'a method that cannot say anything about a perturbation is scored on the others: the last column counts them; a collapse index near 0: all perturbations are predicted alike',
        ...methodLines(
          groups[0]!.methods.filter(({ name }) => name === 'ceiling'),
          COLUMNS,
        ),
        ...groups.slice(1).flatMap(({ title, methods }) => ['', title, ...methodLines(methods, COLUMNS)]),
      ],
    };
  },
});
