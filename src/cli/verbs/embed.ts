import type { FileReport } from '../../inference/annotated-file.js';
import { readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { describeFile, readingOptions, type ReadingFlags } from './reading-options.js';

export const embed = defineVerb<ReadingFlags>({
  command: 'embed <files..>',
  describe: "add the cell embedding, obsm['X_scdiva'], to copies of files",
  options: readingOptions,
  async run({ checkpoint, files, out, batchSize, precision, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { embedFile, planOutputs, provenanceOf }, { packageVersion }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/annotated-file.js'),
      import('../package-version.js'),
    ]);
    const jobs = planOutputs(files, out);
    const reading = await readingOf(flags);
    const model = await ScDiVa.fromPretrained(checkpoint, { precision, notice: say });
    try {
      const provenance = await provenanceOf(model, packageVersion(), false);
      const reports: FileReport[] = [];
      for (const job of jobs) {
        const report = await embedFile(model, job, provenance, { ...reading, batchSize, progress, signal });
        reports.push(report);
        for (const line of describeFile(report)) say(line);
      }
      return {
        json: {
          numCells: reports.reduce((sum, { numCells }) => sum + numCells, 0),
          embeddingDim: model.embeddingDim,
          files: reports,
          checkpoint: model.checkpoint.folder,
          checkpointSha256: provenance.sha256,
        },
      };
    } finally {
      model.dispose();
    }
  },
});
