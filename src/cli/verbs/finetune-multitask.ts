import type { MultitaskConfig } from '../../tasks/multitask/config.js';
import type { MultitaskResult } from '../../tasks/multitask/finetune.js';
import { defineFinetune } from './finetune-verb.js';

export const finetuneMultitask = defineFinetune<MultitaskConfig, MultitaskResult>({
  task: 'multitask',
  describe: 'train several tasks on one shared encoder, and each alone: what sharing costs',
  exampleSet: 'balance=uncertainty',
  columns: ({ tasks }) => [...tasks.map(({ name, metric }) => [`${name}/${metric}`, `${name} ${metric}`] as const), ['score', 'mean']],
  async load() {
    const [{ loadConfig }, { MultitaskConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/multitask/config.js')]);
    return {
      loadConfig: (path, set) => loadConfig(MultitaskConfig, path, set),
      finetune: async (request) => (await import('../../tasks/multitask/finetune.js')).finetuneMultitask(request),
      json: (result) => result,
      remarks: describeDrops,
    };
  },
});

function describeDrops({ drops }: MultitaskResult): string[] {
  return drops.map(
    ({ name, metric, together, alone, drop }) =>
      `${name}: ${metric} ${alone.toFixed(3)} alone, ${together.toFixed(3)} together: ${drop > 0 ? `${drop.toFixed(3)} lost` : `${(-drop).toFixed(3)} gained`}`,
  );
}
