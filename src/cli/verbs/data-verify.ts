import { defineVerb } from '../verb.js';

/** `scdiva data verify CORPUS`: whether every file is as it was written. Exit code 2 where one is not. */
export const dataVerify = defineVerb({
  command: 'verify <corpus>',
  describe: 'read every file of a corpus and name those that are missing, truncated or altered',
  options: (y) => y.positional('corpus', { type: 'string', demandOption: true, describe: 'corpus folder' }),
  async run({ corpus }, { progress }) {
    const [{ verifyCorpus }, { number, thousands }] = await Promise.all([import('../../data/corpus/verify.js'), import('../../data/inspect/format.js')]);
    const found = await verifyCorpus(corpus, progress);
    const { faults, numFiles, strangers } = found;
    const text = [
      ...faults.map(({ file, fault, detail }) => `${corpus}/${file}: ${fault} (${detail})`),
      ...strangers.map((file) => `${corpus}/${file}: not listed in corpus.json; nothing reads it`),
      faults.length === 0
        ? `${corpus}: all ${thousands(numFiles)} files are as they were written (${number(found.bytes / 2 ** 20)} MiB)`
        : `${corpus}: ${faults.length} of ${thousands(numFiles)} files damaged: copy them again from where the corpus came from, or delete the folder and build it again`,
    ];
    return { json: { corpus, ok: faults.length === 0, ...found }, text: text.join('\n'), exitCode: faults.length === 0 ? 0 : 2 };
  },
});
