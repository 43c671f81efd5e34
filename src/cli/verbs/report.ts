import { defineVerb } from '../verb.js';

export const report = defineVerb({
  command: 'report <run>',
  describe: 'write the report of a run folder again, from what the folder holds',
  options: (y) =>
    y
      .positional('run', { type: 'string', demandOption: true, describe: 'folder of quickstart, pretrain or finetune' })
      .option('out', { type: 'string', requiresArg: true, describe: 'HTML file to write [RUN/report.html]' }),
  async run({ run, out }) {
    const [{ join }, { readRun }, { writeReport }] = await Promise.all([
      import('node:path'),
      import('../../report/run-folder.js'),
      import('../../report/write.js'),
    ]);
    const file = out ?? join(run, 'report.html');
    const data = await readRun(run);
    await writeReport(file, data);
    return { json: { report: file, title: data.title }, text: file };
  },
});
