import { readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { readingOptions, type ReadingFlags } from './reading-options.js';

export const proteins = defineVerb<ReadingFlags>({
  command: 'proteins <files..>',
  describe: "add surface proteins predicted from the genes, obsm['scdiva_proteins'], to copies of files",
  options: readingOptions,
  async run({ checkpoint: path, files, out, batchSize, ...flags }, { progress, signal, say }) {
    const [{ planOutputs }, { proteinFile }, { loadCheckpoint }, { loadTensorFlow }, { createExecutor }, { packageVersion }] = await Promise.all([
      import('../../inference/annotated-file.js'),
      import('../../inference/protein-file.js'),
      import('../../train/checkpoint.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
      import('../package-version.js'),
    ]);
    const jobs = planOutputs(files, out);
    const reading = await readingOf(flags);
    const checkpoint = await loadCheckpoint(path);
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind: 'auto' });
    try {
      const reports = [];
      for (const job of jobs) {
        const report = await proteinFile(checkpoint, executor, job, packageVersion(), { ...reading, batchSize, progress, signal });
        reports.push(report);
        say(
          `${report.input}: ${report.proteins.length} proteins (${report.scale === 'none' ? 'as stored' : report.scale}) of ${report.numCells} cells → ${report.output}`,
        );
        for (const note of report.notes) say(note);
      }
      return { json: { numCells: reports.reduce((sum, { numCells }) => sum + numCells, 0), files: reports, checkpoint: checkpoint.folder } };
    } finally {
      executor.dispose();
    }
  },
});
