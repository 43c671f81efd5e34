import type { ExportReport } from '../../inference/export/export.js';
import { defineVerb } from '../verb.js';
import { releaseFlags, type ReleaseFlags } from './release-flags.js';

interface Flags extends ReleaseFlags {
  readonly checkpoint: string;
  readonly format: string;
  readonly out: string;
  readonly data: string | undefined;
}

export const exportModel = defineVerb<Flags>({
  command: 'export',
  describe: 'write a checkpoint in a form that others read, and compare it with the checkpoint',
  options: (y) =>
    releaseFlags(y)
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder, or owner/name of a model on the hub' })
      .option('format', {
        type: 'string',
        demandOption: true,
        describe:
          'safetensors (PyTorch: released names and layout), saved-model (TensorFlow, TensorFlow Serving), tfjs (TensorFlow.js), tfjs-f16 or tfjs-u8 (its weights in 16 or 8 bits)',
      })
      .option('out', { type: 'string', demandOption: true, describe: 'folder to write' })
      .option('data', { type: 'string', requiresArg: true, describe: 'file of cells to compare on [random cells]' }) as never,
  async run({ checkpoint: name, format, out, data, genes, entropy, targetSum }, { progress, signal, say }) {
    const [{ locateModel }, { openCheckpoint }, { exportCheckpoint }] = await Promise.all([
      import('../../hub/locate.js'),
      import('../../train/checkpoint.js'),
      import('../../inference/export/export.js'),
    ]);
    const checkpoint = await openCheckpoint(await locateModel(name, { progress, signal }), { genes, entropy, targetSum });
    const report = await exportCheckpoint(checkpoint, out, { format, data, notice: say });
    return { json: { ...report }, text: describeExport(report), exitCode: report.ok ? 0 : 1 };
  },
});

function describeExport({ out, format, files, signatures, differences, comparedOn, numCells, tolerance, ok }: ExportReport): string {
  const size = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return [
    `${out}: ${format}, ${files.length} files, ${(size / 1e6).toFixed(1)} MB; ${Object.keys(signatures).join(', ')}`,
    `Compared with the checkpoint on ${numCells} cells (${comparedOn}):`,
    ...differences.map(
      ({ signature, output, difference, relative }) =>
        `  ${`${signature} ${output}`.padEnd(24)} ${difference === 0 ? 'equal' : `differs by at most ${difference.toPrecision(2)}, ${relative.toPrecision(2)} of the largest value`}`,
    ),
    tolerance === null
      ? 'Weights are rounded to fewer bits: the differences are their price.'
      : ok
        ? `Equal to ${tolerance}.`
        : `Over the tolerance of ${tolerance}.`,
  ].join('\n');
}
