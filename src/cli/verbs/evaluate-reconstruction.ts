import type { Reconstructor } from '../../inference/reconstruction.js';
import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

/** `scdiva evaluate reconstruction`: genes are hidden, given back by the model, ranked again and held against the cell. Trains nothing. */
export const evaluateReconstruction = defineVerb({
  command: 'reconstruction',
  describe: 'hide genes of cells, let a model give them back, and compare the rankings; beside methods without a model',
  options: (y) =>
    y
      .option('checkpoint', {
        type: 'string',
        array: true,
        nargs: 1,
        demandOption: true,
        describe: 'checkpoint or run folder; repeat it to compare models, the first of which --sweep takes apart',
      })
      .option('data', { type: 'string', demandOption: true, requiresArg: true, describe: 'file of cells' })
      .option('mask-ratio', {
        type: 'number',
        array: true,
        describe: 'shares of each cell’s genes to hide [0.15 0.5 0.9; with --sweep seven from 0.15 to 0.95]',
      })
      .option('sweep', {
        type: 'boolean',
        default: false,
        describe: 'also what [LAT], depth, positions, serialisation and reverse diffusion change, each alone',
      })
      .option('latent', {
        choices: ['visible', 'whole', 'none'] as const,
        describe: 'what [LAT] summarises: the visible genes, or the whole cell as in training; none: no gene sees it [visible]',
      })
      .option('depth', { type: 'number', describe: 'share of the molecules the model is shown; it is judged on all of them [1]' })
      .option('positions', { choices: ['rotary', 'none'] as const, describe: 'none: take the ranks away [as trained]' })
      .option('serialisation', { choices: ['entropy', 'expression', 'random'] as const, describe: 'order of the genes [as trained]' })
      .option('steps', { type: 'number', describe: 'reverse diffusion in so many steps, instead of one pass' })
      .option('temperature', { type: 'number', implies: 'steps', describe: 'of the genes drawn by reverse diffusion [0: the likeliest]' })
      .option('max-cells', { type: 'number', describe: 'cells to reconstruct, drawn at random [64]' })
      .option('reference-cells', { type: 'number', describe: 'other cells of the file that the baselines count on [1000]' })
      .option('seed', { type: 'number', describe: 'of the cells and of what is hidden [0]' })
      .options(CELL_FLAGS)
      .option('batch-size', { type: 'number', describe: 'cells computed at once: less memory or more speed, same results [16]' })
      .option('out', { type: 'string', requiresArg: true, describe: 'folder for reconstruction.json and report.html' }),
  async run(flags, { progress, signal, say }) {
    const [
      { parseConfig },
      { given, plain, scoreTables, writeResults },
      { ReconstructionConfig, ReconstructionCellsConfig },
      { createReconstructor },
      sweeps,
      { loadCheckpoint },
      { loadTensorFlow },
      { createExecutor },
      { openCellFile },
      page,
    ] = await Promise.all([
      import('../../config/load.js'),
      import('../evaluate/reconstruction-results.js'),
      import('../../tasks/reconstruction/config.js'),
      import('../../inference/reconstruction.js'),
      import('../../inference/reconstruction-sweep.js'),
      import('../../train/checkpoint.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
      import('../../data/readers/open.js'),
      import('../../report/reconstruction-page.js'),
    ]);
    const { checkpoint: paths, data, sweep: isSweep, latent, depth, positions, serialisation, steps, temperature, batchSize, out } = flags;
    const sampler = steps === undefined ? undefined : { steps, temperature: temperature ?? 0 };
    const ratios = flags.maskRatio?.length ? [...new Set(flags.maskRatio)].sort((a, b) => a - b) : isSweep ? sweeps.SWEEP_MASK_RATIOS : [0.15, 0.5, 0.9];
    const [base] = ratios.map((maskRatio) => parseConfig(ReconstructionConfig, given({ maskRatio, latent, depth, positions, serialisation, sampler })));
    const chosen = parseConfig(ReconstructionCellsConfig, given({ maxCells: flags.maxCells, referenceCells: flags.referenceCells, seed: flags.seed }));
    const read = { ...(await readingOf(flags)), batchSize, progress, signal };
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind: 'auto' });
    const cells = await openCellFile(data);
    const reconstructors = new Map<string, Reconstructor>();
    try {
      for (const path of paths) reconstructors.set(path, await createReconstructor(await loadCheckpoint(path), executor, cells, chosen, read));
      const [first] = [...reconstructors.values()] as [Reconstructor];
      const { points, notes } = await sweeps.sweepReconstruction(reconstructors, base!, ratios, isSweep);
      const { matrix: source, coverage } = first.source;
      const json = {
        numCells: first.numCells,
        numReferenceCells: first.numReferenceCells,
        genesPerCell: points[0]!.result.genesPerCell,
        checkpoints: paths,
        data,
        matrix: source.key,
        valueKind: source.valueKind,
        geneCoverage: coverage.shareOfGenes,
        points,
        notes: [...notes, ...first.source.notes],
      };
      const subtitle = `${data}: ${first.numCells} cells drawn at random, ${Math.round(json.genesPerCell)} genes each in the mean; baselines counted on ${first.numReferenceCells} others; ${coverage.numMatched} of ${coverage.numGenes} genes known`;
      if (out !== undefined)
        await writeResults(out, json, await page.renderReconstructionPage({ title: 'Rank-value reconstruction', subtitle, points, notes: json.notes }));
      return {
        json: plain(json) as Record<string, unknown>,
        text: [
          subtitle,
          ...scoreTables(points, page.baselineName),
          ...json.notes.map((note) => `- ${note}`),
          ...(out === undefined ? [] : [`${out}/report.html, ${out}/reconstruction.json`]),
        ].join('\n'),
      };
    } finally {
      for (const reconstructor of reconstructors.values()) reconstructor.dispose();
      cells.close();
      executor.dispose();
    }
  },
});
