import type { Overlap, OverlapSide } from '../../data/corpus/overlap.js';
import { defineVerb } from '../verb.js';

/** Exit code where cells are in both sets: tells a script that an evaluation would leak. */
export const OVERLAP_FOUND = 3;

/** `scdiva data overlap A B`: cells that are in both. */
export const dataOverlap = defineVerb({
  command: 'overlap <a> <b>',
  describe: 'cells that are in both of two sets (corpora or files); exit code 3 where there are any',
  options: (y) =>
    y
      .positional('a', { type: 'string', demandOption: true, describe: 'corpus folder or file of cells' })
      .positional('b', { type: 'string', demandOption: true, describe: 'corpus folder or file of cells' })
      .option('gene-table', { type: 'string', requiresArg: true, describe: 'what genes are and were called (scdiva data genes)' }),
  async run({ a, b, geneTable }, { progress, signal }) {
    const [{ findOverlap }, { thousands }, { geneTableOf }] = await Promise.all([
      import('../../data/corpus/overlap.js'),
      import('../../data/inspect/format.js'),
      import('../build-flags.js'),
    ]);
    const found = await findOverlap(a, b, { geneTable: await geneTableOf(geneTable), progress, signal });
    const isClean = found.a.numIdentical === 0;
    return { json: { ...found, overlaps: !isClean }, text: overlapPage(found, thousands), exitCode: isClean ? 0 : OVERLAP_FOUND };
  },
});

function overlapPage({ a, b, numSharedGenes, comparedBy, examples }: Overlap, thousands: (n: number) => string): string {
  const side = (name: string, set: OverlapSide): string[] => {
    const splits = set.identicalBySplit
      ? `: ${Object.entries(set.identicalBySplit)
          .map(([split, n]) => `${split} ${thousands(n)}`)
          .join(', ')}`
      : '';
    return [
      `${name} ${set.path}: ${thousands(set.numCells)} cells (${set.valueKind})`,
      `  identical cells  ${thousands(set.numIdentical)} (${percent(set.shareIdentical)})${set.numIdentical > 0 ? splits : ''}`,
      `  same names       ${thousands(set.numSameName)} (${percent(set.numSameName / set.numCells)})`,
      ...(set.numCompared < set.numCells ? [`  not compared     ${thousands(set.numCells - set.numCompared)}: too few shared genes expressed`] : []),
    ];
  };
  return [
    ...side('A', a),
    ...side('B', b),
    `compared by ${comparedBy} over ${thousands(numSharedGenes)} genes that both express`,
    ...(examples.length > 0 ? [`such as ${examples.map((pair) => (pair.a === pair.b ? pair.a : `${pair.a} = ${pair.b}`)).join(', ')}`] : []),
    a.numIdentical > 0
      ? 'the sets overlap: an evaluation on one of a model trained on the other would leak'
      : `no cell is in both${a.numSameName > 0 ? ' (barcodes are reused between experiments: equal names alone prove nothing)' : ''}`,
  ].join('\n');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
