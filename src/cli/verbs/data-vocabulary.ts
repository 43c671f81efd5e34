import { defineVerb } from '../verb.js';

/** `scdiva data vocabulary FROM --out genes.tsv`: the ordered gene list of a corpus or checkpoint, or one made of a list. */
export const dataVocabulary = defineVerb({
  command: 'vocabulary <from>',
  describe: 'write the gene list of a corpus, checkpoint or table as genes.tsv, for data build --genes',
  options: (y) =>
    y
      .positional('from', { type: 'string', demandOption: true, describe: 'corpus or checkpoint folder; genes.tsv; a list of symbols or Ensembl ids' })
      .option('min-cells', { type: 'number', requiresArg: true, default: 0, describe: 'of a corpus: only genes that so many training cells express' })
      .option('max-genes', { type: 'number', requiresArg: true, describe: 'of a corpus: only so many, those that most training cells express' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'the genes.tsv to write' }),
  async run({ from, minCells, maxGenes, out }) {
    const [{ readVocabulary, vocabularyOfCorpus }, { writeFileAtomic }, { wholeNumber }, { thousands }] = await Promise.all([
      import('../../data/corpus/read-vocabulary.js'),
      import('../../files.js'),
      import('../build-flags.js'),
      import('../../data/inspect/format.js'),
    ]);
    const isSelecting = minCells > 0 || maxGenes !== undefined;
    const vocabulary = isSelecting
      ? await vocabularyOfCorpus(from, {
          minCells: wholeNumber('--min-cells', minCells, 0),
          ...(maxGenes !== undefined && { maxGenes: wholeNumber('--max-genes', maxGenes, 1) }),
        })
      : await readVocabulary(from);
    await writeFileAtomic(out, vocabulary.toTsv());
    return {
      json: { from, out, numGenes: vocabulary.genes.length, hash: vocabulary.hash },
      text: `${out}: ${thousands(vocabulary.genes.length)} genes of ${from}`,
    };
  },
});
