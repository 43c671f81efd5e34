import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

export const generate = defineVerb({
  command: 'generate [file]',
  describe: 'complete cells: hide or add genes and fill them in by reverse diffusion; or, with --latent, make new ones',
  options: (y) =>
    y
      .positional('file', { type: 'string', describe: '.h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom, .csv or .tsv' })
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder' })
      .option('out', { type: 'string', demandOption: true, describe: 'the .h5ad to write: one row for each completion' })
      .option('latent', {
        type: 'boolean',
        default: false,
        describe: 'make new cells from the latent space of a model of finetune variational: no file is read',
      })
      .option('num-cells', { type: 'number', describe: 'with --latent: cells to make [1000]' })
      .option('from', { choices: ['posterior', 'prior'] as const, describe: 'with --latent: near training cells, or from the prior [posterior]' })
      .option('label', { type: 'string', requiresArg: true, describe: 'with --latent: only near training cells of this type' })
      .option('mask-ratio', { type: 'number', describe: 'share of each cell’s genes to hide and generate anew [0]' })
      .option('extra-genes', { type: 'number', describe: 'genes to add to each cell [0]' })
      .option('num-samples', { type: 'number', describe: 'completions of each cell [1]' })
      .option('steps', { type: 'number', describe: 'passes through the model for each completion [16]' })
      .option('order', {
        choices: ['random', 'confidence'] as const,
        describe: 'which genes a step fills in: random ones, or those the model is surest of [random]',
      })
      .option('temperature', { type: 'number', describe: 'of the gene distribution; 0 takes the most likely gene [1]' })
      .option('top-k', { type: 'number', describe: 'draw from the K most likely genes only [all]' })
      .option('seed', { type: 'number', describe: 'same seed, same completions [0]' })
      .option('max-cells', { type: 'number', describe: 'take the first so many cells only [all]' })
      .options(CELL_FLAGS)
      .option('batch-size', { type: 'number', describe: 'cells computed at once: less memory or more speed, same results [16]' })
      .option('executor', { choices: ['auto', 'eager', 'graph'] as const, default: 'auto' as const, describe: 'how to compute: compiled graph, or op by op' }),
  run: async ({ file, checkpoint: path, out, executor: kind, batchSize, latent, numCells: numNew, from, label, ...flags }, { progress, signal, say }) => {
    if (latent) {
      const [{ generateFromLatent }, { packageVersion }] = await Promise.all([import('../generate/from-latent.js'), import('../package-version.js')]);
      return generateFromLatent(
        path,
        { output: out, numCells: numNew ?? 1000, from, label, seed: flags.seed, version: packageVersion() },
        { file, batchSize, ...flags },
        kind,
        say,
      );
    }
    const { ConfigError } = await import('../../errors.js');
    if (file === undefined)
      throw new ConfigError({ key: 'FILE', found: 'none', expected: 'a file of cells to complete', hint: 'or --latent, to make new ones' });
    const foreign = Object.entries({ '--num-cells': numNew, '--from': from, '--label': label }).find(([, value]) => value !== undefined);
    if (foreign) throw new ConfigError({ key: foreign[0], found: 'given without --latent', hint: 'it is for making new cells' });
    const [{ parseConfig }, { GenerateConfig }, { generateFile }, { loadCheckpoint }, { loadTensorFlow }, { createExecutor }, { packageVersion }] =
      await Promise.all([
        import('../../config/load.js'),
        import('../../inference/config.js'),
        import('../../inference/generated-file.js'),
        import('../../train/checkpoint.js'),
        import('../../runtime/native/load.js'),
        import('../../runtime/program/executor.js'),
        import('../package-version.js'),
      ]);
    const { maskRatio, extraGenes, numSamples, steps, order, temperature, topK, seed, maxCells } = flags;
    const given = Object.entries({ maskRatio, extraGenes, numSamples, steps, order, temperature, topK, seed, maxCells }).filter(
      ([, value]) => value !== undefined,
    );
    const config = parseConfig(GenerateConfig, Object.fromEntries(given));
    const reading = await readingOf(flags);
    const checkpoint = await loadCheckpoint(path);
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind });
    try {
      const { cells, recovery, numFull, source, emptyRows } = await generateFile(
        checkpoint,
        executor,
        { input: file, output: out, config, version: packageVersion() },
        { ...reading, batchSize, progress, signal },
      );
      const numCells = cells.length / config.numSamples;
      const lines = [
        `${file}: ${numCells} cells from ${source.matrix.key} (${source.matrix.valueKind}), ${config.numSamples} completion${config.numSamples === 1 ? '' : 's'} of each → ${out}`,
        ...(recovery
          ? [
              `${percent(recovery.recall)} of ${recovery.numHidden} hidden genes came back (${percent(recovery.chanceRecall)} by chance)${recovery.valueRmse === null ? '' : `, their values within ${recovery.valueRmse.toFixed(3)} (root mean square)`}`,
            ]
          : []),
        ...(numFull ? [`${numFull} cells fill all ${checkpoint.modelConfig.maxGenes} positions of the model: nothing was added to them`] : []),
        ...(emptyRows.length ? [`${emptyRows.length} cells have no gene that the model knows: left out`] : []),
        ...source.notes,
      ];
      return {
        json: {
          numCells,
          numSamples: config.numSamples,
          numRows: cells.length,
          out,
          recovery,
          numFull,
          numEmpty: emptyRows.length,
          matrix: source.matrix.key,
          valueKind: source.matrix.valueKind,
          notes: source.notes,
        },
        text: lines.join('\n'),
      };
    } finally {
      executor.dispose();
    }
  },
});

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
