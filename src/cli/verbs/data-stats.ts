import { defineVerb } from '../verb.js';

/** `scdiva data stats CORPUS`: what a corpus holds. */
export const dataStats = defineVerb({
  command: 'stats <corpus>',
  describe: 'what a corpus holds: cells, classes by split, coverage, entropy of its genes',
  options: (y) =>
    y
      .positional('corpus', { type: 'string', demandOption: true, describe: 'corpus folder' })
      .option('verify', { type: 'boolean', default: false, describe: 'read every file and compare its hash' }),
  async run({ corpus: path, verify }, { progress }) {
    const [{ openCorpus }, { corpusPage, describeCorpus }] = await Promise.all([import('../../data/corpus/corpus.js'), import('../../data/corpus/describe.js')]);
    const corpus = await openCorpus(path);
    if (verify) await corpus.verify(progress);
    const description = describeCorpus(corpus);
    return { json: { ...description, ...(verify && { verified: true }) }, text: `${corpusPage(description)}${verify ? '\n\nevery file is as it was written' : ''}` };
  },
});
