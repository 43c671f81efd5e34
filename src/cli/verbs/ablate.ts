import type { PretrainingConfig as PretrainingConfigType } from '../../tasks/pretraining/config.js';
import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { STOPPING_A_TRAINING } from './training-options.js';

/** `scdiva ablate CONFIGS…`: pretrains one model a config and compares them; what one does without tells what it is worth. */
export const ablate = defineVerb({
  command: 'ablate <configs..>',
  describe: 'pretrain several models that differ in one thing each, and compare how they give hidden genes back',
  stopping: STOPPING_A_TRAINING,
  options: (y) =>
    y
      .positional('configs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'pretraining configs, the one to compare with first: configs/ablation/*.yaml',
      })
      .option('corpus', { type: 'string', demandOption: true, requiresArg: true, describe: 'corpus that all are trained on' })
      .option('data', { type: 'string', demandOption: true, requiresArg: true, describe: 'file of cells, none of them in the corpus, to reconstruct' })
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'folder for the run folders, reconstruction.json and report.html; finished trainings in it are not repeated',
      })
      .option('set', { type: 'string', array: true, nargs: 1, describe: 'change a key of every config, train.steps=200; repeatable' })
      .option('mask-ratio', { type: 'number', array: true, describe: 'shares of each cell’s genes to hide [0.15 0.5 0.8 0.95]' })
      .option('max-cells', { type: 'number', describe: 'cells to reconstruct, drawn at random [64]' })
      .option('seed', { type: 'number', describe: 'of the cells and of what is hidden [0]; train.seed is that of the trainings' })
      .options(CELL_FLAGS),
  async run({ configs: files, corpus, data, out, set = [], maskRatio, maxCells, seed, ...flags }, context) {
    const [
      { basename, join },
      { loadConfig, parseConfig },
      { PretrainingConfig },
      { ReconstructionCellsConfig, ReconstructionConfig },
      { ConfigError },
      results,
      page,
    ] = await Promise.all([
      import('node:path'),
      import('../../config/load.js'),
      import('../../tasks/pretraining/config.js'),
      import('../../tasks/reconstruction/config.js'),
      import('../../errors.js'),
      import('../evaluate/reconstruction-results.js'),
      import('../../report/reconstruction-page.js'),
    ]);
    const ratios = [...new Set(maskRatio?.length ? maskRatio : [0.15, 0.5, 0.8, 0.95])].sort((a, b) => a - b);
    for (const ratio of ratios) parseConfig(ReconstructionConfig, { maskRatio: ratio });
    const chosen = parseConfig(ReconstructionCellsConfig, results.given({ maxCells, seed }));
    const reading = await readingOf(flags);
    const configs = new Map<string, PretrainingConfigType>();
    // The reference stands first whatever order a shell gives.
    for (const file of [...files].sort((a, b) => Number(b.includes('reference')) - Number(a.includes('reference')))) {
      const name = basename(file, '.yaml').replace(/^pretrain-/, '');
      if (configs.has(name)) throw new ConfigError({ key: 'configs', found: `two named ${name}`, hint: 'give each file a name of its own' });
      configs.set(name, await loadConfig(PretrainingConfig, file, [`data.corpus=${JSON.stringify(corpus)}`, ...set]));
    }
    const [{ trainAblations, compareAblations }, { loadTensorFlow }, { createExecutor }, { openCellFile }] = await Promise.all([
      import('../../inference/ablation.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
      import('../../data/readers/open.js'),
    ]);
    const cells = await openCellFile(data);
    try {
      const runs = await trainAblations(configs, out, context);
      await loadTensorFlow({ notice: context.say });
      const executor = await createExecutor({ kind: 'auto' });
      try {
        const { points, notes, first } = await compareAblations(runs, executor, cells, chosen, ratios, {
          ...reading,
          progress: context.progress,
          signal: context.signal,
        });
        const { numCells, numReferenceCells, source } = first;
        const json = { numCells, numReferenceCells, data, corpus, runs: Object.fromEntries(runs), points, notes: [...notes, ...source.notes] };
        const subtitle = `${configs.size} models trained on ${corpus}; ${numCells} cells of ${data}, drawn at random`;
        await results.writeResults(
          out,
          json,
          await page.renderReconstructionPage({ title: 'What each part of the recipe is worth', subtitle, points, notes: json.notes }),
        );
        return {
          json: results.plain(json) as Record<string, unknown>,
          text: [subtitle, ...results.scoreTables(points, page.baselineName), ...json.notes.map((note) => `- ${note}`), join(out, 'report.html')].join('\n'),
        };
      } finally {
        executor.dispose();
      }
    } finally {
      cells.close();
    }
  },
});
