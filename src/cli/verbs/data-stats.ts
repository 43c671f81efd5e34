import { ConfigError } from '../../errors.js';
import { defineVerb } from '../verb.js';

const FORMATS = ['.svg', '.html', '.tsv'] as const;

/** `scdiva data stats CORPUS`: what a corpus holds. */
export const dataStats = defineVerb({
  command: 'stats <corpus>',
  describe: 'what a corpus holds: cells, classes by split, coverage, library sizes, entropy of its genes',
  options: (y) =>
    y
      .positional('corpus', { type: 'string', demandOption: true, describe: 'corpus folder' })
      .option('out', { type: 'string', requiresArg: true, describe: 'a picture (.svg), a page (.html), or a table of all genes (.tsv)' })
      .option('verify', { type: 'boolean', default: false, describe: 'read every file and compare its hash' }),
  async run({ corpus: path, verify, out }, { progress }) {
    const format = FORMATS.find((extension) => out?.endsWith(extension));
    if (out !== undefined && !format) throw new ConfigError({ key: '--out', found: out, expected: 'a name that ends in .svg, .html or .tsv' });
    const [{ openCorpus }, { corpusPage, describeCorpus, describeGenes, genesTsv }] = await Promise.all([
      import('../../data/corpus/corpus.js'),
      import('../../data/corpus/describe.js'),
    ]);
    const corpus = await openCorpus(path);
    if (verify) await corpus.verify(progress);
    const description = describeCorpus(corpus);
    if (out !== undefined) {
      const [{ corpusSvg, renderCorpusPage }, { writeFileAtomic }] = await Promise.all([import('../../report/corpus-page.js'), import('../../files.js')]);
      const genes = describeGenes(corpus);
      await writeFileAtomic(out, format === '.tsv' ? genesTsv(genes) : await (format === '.svg' ? corpusSvg : renderCorpusPage)(description, genes));
    }
    return {
      json: { ...description, ...(verify && { verified: true }), ...(out !== undefined && { out }) },
      text: [corpusPage(description), ...(verify ? ['', 'every file is as it was written'] : []), ...(out === undefined ? [] : ['', `written: ${out}`])].join(
        '\n',
      ),
    };
  },
});
