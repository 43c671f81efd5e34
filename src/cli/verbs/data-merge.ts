import { defineVerb } from '../verb.js';

/** `scdiva data merge PART… --out CORPUS`: the parts that several processes have built become the corpus that one would have built. */
export const dataMerge = defineVerb({
  command: 'merge <parts..>',
  describe: 'join the parts that data build --rank has made into one corpus',
  options: (y) =>
    y.positional('parts', { type: 'string', array: true, demandOption: true, describe: 'the folders of all ranks, in any order' }).option('out', {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'corpus folder; shards are linked into it where it lies on the same disk',
    }),
  async run({ parts, out }, { progress }) {
    const [{ mergeCorpus }, { openCorpus }, { corpusPage, describeCorpus }] = await Promise.all([
      import('../../data/corpus/merge.js'),
      import('../../data/corpus/corpus.js'),
      import('../../data/corpus/describe.js'),
    ]);
    await mergeCorpus(parts, { out, progress });
    const description = describeCorpus(await openCorpus(out));
    return { json: { ...description }, text: corpusPage(description) };
  },
});
