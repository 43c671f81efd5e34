import { defineGroup, defineVerb } from '../verb.js';

const extract = defineVerb({
  command: 'extract',
  describe: 'keep only the adapter and head of a fine-tuning with lora: kilobytes beside the base checkpoint',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, requiresArg: true, describe: 'run or checkpoint folder of a fine-tuning with lora' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'new folder; usable wherever a checkpoint is named' }),
  async run({ checkpoint, out }) {
    const [{ extractAdapter }, { resolveCheckpoint }] = await Promise.all([import('../../train/adapter.js'), import('../../train/checkpoint.js')]);
    const { config, targets, base } = await extractAdapter(resolveCheckpoint(checkpoint), out);
    return { json: { out, ...config, targets, base }, text: `${out}: adapters of rank ${config.rank} for ${targets.length} matrices of ${base.path}` };
  },
});

const merge = defineVerb({
  command: 'merge',
  describe: 'make an adapter and its base checkpoint one plain checkpoint',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, requiresArg: true, describe: 'folder of scdiva adapter extract' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'new checkpoint folder' }),
  async run({ checkpoint, out }) {
    const { mergeCheckpoint } = await import('../../train/merge-checkpoint.js');
    const { numMerged } = await mergeCheckpoint(checkpoint, out);
    return { json: { out, numMerged }, text: `${out}: ${numMerged} adapters merged into the weights` };
  },
});

export const adapter = defineGroup('adapter', 'low-rank adapters on their own', [extract, merge]);
