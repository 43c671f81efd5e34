import type { CheckpointDescription } from '../../inference/describe-checkpoint.js';
import { defineVerb } from '../verb.js';
import { releaseFlags, type ReleaseFlags } from './release-flags.js';

export const inspect = defineVerb<ReleaseFlags & { readonly checkpoint: string }>({
  command: 'inspect <checkpoint>',
  describe: 'say what a checkpoint is: sizes, genes, head, training, files and hashes, what it can do',
  options: (y) =>
    releaseFlags(
      y.positional('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder, or owner/name of a model on the hub' }),
    ) as never,
  async run({ checkpoint: name, genes, entropy, targetSum }, { progress, signal }) {
    const [{ locateModel }, { openCheckpoint }, { describeCheckpoint }] = await Promise.all([
      import('../../hub/locate.js'),
      import('../../train/checkpoint.js'),
      import('../../inference/describe-checkpoint.js'),
    ]);
    const description = await describeCheckpoint(await openCheckpoint(await locateModel(name, { progress, signal }), { genes, entropy, targetSum }));
    return { json: { ...description }, text: card(description) };
  },
});

function card({ folder, model: m, head, training, preprocessing: p, files, ...facts }: CheckpointDescription): string {
  const [smallest, largest] = facts.entropyRange;
  const rows: [string, string][] = [
    ['folder', folder],
    ['parameters', `${facts.numParameters.toLocaleString('en-US')} in ${facts.numTensors} tensors, stored as ${facts.dtypes.join(', ')}`],
    ['model', `${m.numLayers} layers, width ${m.hiddenDim}, ${m.numHeads} heads, feed-forward ${m.ffnDim}, at most ${m.maxGenes} genes a cell`],
    ['genes', `${facts.numGenes.toLocaleString('en-US')} (${facts.vocabularyHash.slice(0, 12)}…)`],
    [
      'input',
      `cells scaled to ${p.targetSum}, log1p, ${smallest === largest ? 'ranked by expression' : `ranked by ${p.serialisation}`}, best ${p.maxGenes} genes`,
    ],
    [
      'head',
      head
        ? `${head.task}${Array.isArray(head['classes']) ? `: ${head['classes'].length} classes: ${(head['classes'] as unknown[]).slice(0, 12).join(', ')}${head['classes'].length > 12 ? ' …' : ''}` : ''}`
        : 'none',
    ],
    [
      'training',
      training
        ? `${training.task}, step ${training.step}, seed ${training.seed}${
            training.metrics
              ? `: ${Object.entries(training.metrics)
                  .map(([key, value]) => `${key} ${Number(value.toPrecision(4))}`)
                  .join(', ')}`
              : ''
          }`
        : 'not trained here',
    ],
    ['can', facts.abilities.join(', ')],
    ...files.map(({ name, sizeBytes, sha256 }): [string, string] => [name, `${sizeBytes.toLocaleString('en-US')} bytes, sha256 ${sha256}`]),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join('\n');
}
