import { defineVerb } from '../verb.js';

/** `scdiva data inspect FILE`: what is in a file and what would become of it. */
export const dataInspect = defineVerb({
  command: 'inspect <file>',
  describe: 'what is in a file: values, genes, labels, and what is wrong with it',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: '.h5ad or 10x .h5' })
      .option('genes', { type: 'string', describe: 'genes.tsv of a corpus or checkpoint: says how much of the file it covers' }),
  async run({ file, genes }, { progress }) {
    const [{ inspectFile }, { describeInspection }, { Vocabulary }] = await Promise.all([import('../../data/inspect/inspect.js'), import('../../data/inspect/describe.js'), import('../../data/genes/vocabulary.js')]);
    const vocabulary = genes === undefined ? undefined : await Vocabulary.read(genes);
    const inspection = await inspectFile(file, { progress, ...(vocabulary && { vocabulary }) });
    return { json: { ...inspection }, text: describeInspection(inspection) };
  },
});
