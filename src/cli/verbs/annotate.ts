import type { Argv } from 'yargs';
import type { AnnotationReport } from '../../inference/annotated-file.js';
import { readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { describeFile, readingOptions, type ReadingFlags } from './reading-options.js';

interface Flags extends ReadingFlags {
  readonly threshold: number | undefined;
  readonly probabilities: boolean;
}

export const annotate = defineVerb<Flags>({
  command: 'annotate <files..>',
  describe: 'add cell types, confidence and embedding to copies of files',
  options: (y) =>
    readingOptions(y)
      .option('threshold', { type: 'number', describe: 'labels of lower confidence become unknown; 0 = none [the checkpoint’s]' })
      .option('probabilities', {
        type: 'boolean',
        default: false,
        describe: "also obsm['scdiva_probabilities'], one column a class",
      }) as unknown as Argv<Flags>,
  async run({ checkpoint, files, out, batchSize, precision, threshold, probabilities, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { ScDiVaInference }, { annotateFile, planOutputs, provenanceOf }, { packageVersion }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/engine.js'),
      import('../../inference/annotated-file.js'),
      import('../package-version.js'),
    ]);
    const jobs = planOutputs(files, out);
    const reading = await readingOf(flags);
    const model = await ScDiVa.fromPretrained(checkpoint, { precision, notice: say });
    try {
      const engine = new ScDiVaInference({ model });
      const { labelKey, classes } = engine.headInfo();
      const provenance = await provenanceOf(model, packageVersion(), true);
      const reports: AnnotationReport[] = [];
      for (const job of jobs) {
        const report = await annotateFile(engine, job, provenance, { ...reading, batchSize, threshold, withProbabilities: probabilities, progress, signal });
        reports.push(report);
        for (const line of describeFile(report)) say(line);
        say(
          Object.entries(report.labels)
            .map(([name, n]) => `${name} ${n}`)
            .join(', '),
        );
      }
      const total = (key: 'numCells' | 'numUnknown') => reports.reduce((sum, report) => sum + report[key], 0);
      return {
        json: {
          numCells: total('numCells'),
          numUnknown: total('numUnknown'),
          labelKey,
          classes,
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
