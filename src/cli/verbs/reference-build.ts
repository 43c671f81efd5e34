import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

export const referenceBuild = defineVerb({
  command: 'build <file>',
  describe: 'embed the labelled cells of an atlas into a folder that other cells are mapped to',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: '.h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom' })
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder' })
      .option('label', { type: 'string', demandOption: true, describe: 'obs column of the labels; cells without one are left out' })
      .option('out', { type: 'string', demandOption: true, describe: 'the folder to write' })
      .option('neighbours', { type: 'number', describe: 'cells that vote [15]' })
      .option('threshold', { type: 'number', describe: 'share of the atlas’ own cells that would be called unknown [0.01]' })
      .options(CELL_FLAGS)
      .option('batch-size', { type: 'number', describe: 'cells computed at once: less memory or more speed, same results [16]' })
      .option('precision', { choices: ['f32', 'bf16'] as const, default: 'f32' as const, describe: 'bf16: faster, about three digits' }),
  async run({ file, checkpoint, label, out, neighbours, threshold, batchSize, precision, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { buildReference }, { packageVersion }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/reference/build.js'),
      import('../package-version.js'),
    ]);
    const reading = await readingOf(flags);
    const model = await ScDiVa.fromPretrained(checkpoint, { precision, notice: say });
    try {
      const { manifest, numUnlabelled, numEmpty } = await buildReference(
        model,
        { input: file, labelKey: label, out, version: packageVersion() },
        { numNeighbours: neighbours, threshold, ...reading, batchSize, progress, signal },
      );
      const { numCells, classes, classSizes, leaveOneOut, numNeighbours } = manifest;
      const lines = [
        `${file}: ${numCells} cells of ${classes.length} types → ${out}`,
        classes.map((name, i) => `${name} ${classSizes[i]}`).join(', '),
        `each labelled by its ${numNeighbours} neighbours, itself left out: ${(100 * leaveOneOut.accuracy).toFixed(1)} % right`,
        ...(numUnlabelled > 0 ? [`${numUnlabelled} cells without a label are left out`] : []),
        ...(numEmpty > 0 ? [`${numEmpty} cells without any gene that the model knows are left out`] : []),
      ];
      return {
        json: {
          out,
          numCells,
          numUnlabelled,
          numEmpty,
          labelKey: label,
          classes,
          classSizes,
          numNeighbours,
          threshold: manifest.threshold,
          leaveOneOutAccuracy: leaveOneOut.accuracy,
          checkpoint: model.checkpoint.folder,
          fingerprint: manifest.model.fingerprint,
        },
        text: lines.join('\n'),
      };
    } finally {
      model.dispose();
    }
  },
});
