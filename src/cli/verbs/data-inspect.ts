import { defineVerb } from '../verb.js';

/** `scdiva data inspect FILE`: what is in a file and what would become of it. */
export const dataInspect = defineVerb({
  command: 'inspect <file>',
  describe: 'what is in a file: values, genes, labels, and what is wrong with it',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: '.h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom, .csv or .tsv' })
      .option('genes', {
        alias: 'vocabulary',
        type: 'string',
        requiresArg: true,
        describe: 'genes.tsv, or the folder of a corpus: says how much of the file it covers',
      })
      .option('checkpoint', { type: 'string', requiresArg: true, conflicts: 'genes', describe: 'the same for the genes of a checkpoint' })
      .option('gene-table', { type: 'string', requiresArg: true, describe: 'what genes are and were called (scdiva data genes): finds more of them' })
      .option('orthologs', { type: 'string', requiresArg: true, describe: 'table of human orthologs: reads mouse (or other) genes as human ones, one-to-one' }),
  async run({ file, genes, checkpoint, geneTable, orthologs }, { progress }) {
    const [{ inspectFile }, { describeInspection }, { geneTableOf, orthologsOf, vocabularyOf }] = await Promise.all([
      import('../../data/inspect/inspect.js'),
      import('../../data/inspect/describe.js'),
      import('../build-flags.js'),
    ]);
    const [vocabulary, table] = [await vocabularyOf({ genes, checkpoint }), await geneTableOf(geneTable)];
    const inspection = await inspectFile(file, {
      progress,
      ...(vocabulary && { vocabulary }),
      ...(table && { geneTable: table }),
      orthologs: await orthologsOf(orthologs),
    });
    return { json: { ...inspection }, text: describeInspection(inspection) };
  },
});
