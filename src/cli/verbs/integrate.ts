import type { FileReport } from '../../inference/annotated-file.js';
import { readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { describeFile, readingOptions, type ReadingFlags } from './reading-options.js';

export const integrate = defineVerb<ReadingFlags>({
  command: 'integrate <files..>',
  describe: "add places in one space free of sequencing batches, obsm['X_scdiva_integrated'], to copies of files",
  options: readingOptions,
  async run({ checkpoint, files, out, batchSize, precision, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { ScDiVaInference }, { integrateFile, planOutputs, provenanceOf }, { packageVersion }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/engine.js'),
      import('../../inference/annotated-file.js'),
      import('../package-version.js'),
    ]);
    const jobs = planOutputs(files, out);
    const reading = await readingOf(flags);
    const model = await ScDiVa.fromPretrained(checkpoint, { precision, notice: say });
    const engine = new ScDiVaInference({ model });
    try {
      const { batchKey, outputDim, contrastive } = engine.integrationInfo();
      const provenance = await provenanceOf(model, packageVersion(), true);
      const reports: FileReport[] = [];
      for (const job of jobs) {
        const report = await integrateFile(engine, job, provenance, { ...reading, batchSize, progress, signal });
        reports.push(report);
        for (const line of describeFile(report)) say(line);
      }
      return {
        json: {
          numCells: reports.reduce((sum, { numCells }) => sum + numCells, 0),
          numDims: outputDim,
          batchKey,
          contrastive,
          files: reports,
          checkpoint: model.checkpoint.folder,
          checkpointSha256: provenance.sha256,
        },
      };
    } finally {
      await engine.dispose();
      model.dispose();
    }
  },
});
