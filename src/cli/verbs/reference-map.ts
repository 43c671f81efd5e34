import type { Argv } from 'yargs';
import type { AnnotationReport } from '../../inference/annotated-file.js';
import { readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { describeFile, readingOptions, type ReadingFlags } from './reading-options.js';

interface Flags extends ReadingFlags {
  readonly reference: string;
  readonly threshold: number | undefined;
}

export const referenceMap = defineVerb<Flags>({
  command: 'map <files..>',
  describe: 'add cell types of the nearest atlas cells, with distances, to copies of files',
  options: (y) =>
    readingOptions(y).option('reference', { type: 'string', demandOption: true, describe: 'folder that scdiva reference build wrote' }).option('threshold', {
      type: 'number',
      describe: 'cells less typical of the atlas become unknown; 0 = none [the reference’s]',
    }) as unknown as Argv<Flags>,
  async run({ checkpoint, files, out, reference: folder, batchSize, precision, threshold, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { Reference }, { mapFile }, { planOutputs, provenanceOf }, { packageVersion }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/reference/reference.js'),
      import('../../inference/reference/map-file.js'),
      import('../../inference/annotated-file.js'),
      import('../package-version.js'),
    ]);
    const jobs = planOutputs(files, out);
    const reading = await readingOf(flags);
    const model = await ScDiVa.fromPretrained(checkpoint, { precision, notice: say });
    try {
      const reference = await Reference.open(folder, model);
      const provenance = await provenanceOf(model, packageVersion(), false);
      const reports: AnnotationReport[] = [];
      for (const job of jobs) {
        const report = await mapFile(model, reference, job, provenance, { ...reading, batchSize, threshold, progress, signal });
        reports.push(report);
        for (const line of describeFile(report)) say(line);
        say(
          Object.entries(report.labels)
            .map(([name, n]) => `${name} ${n}`)
            .join(', '),
        );
      }
      const total = (key: 'numCells' | 'numUnknown') => reports.reduce((sum, report) => sum + report[key], 0);
      const { labelKey, classes } = reference.manifest;
      return {
        json: {
          numCells: total('numCells'),
          numUnknown: total('numUnknown'),
          labelKey,
          classes,
          files: reports,
          reference: folder,
          checkpoint: model.checkpoint.folder,
          checkpointSha256: provenance.sha256,
        },
      };
    } finally {
      model.dispose();
    }
  },
});
