import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

const TITLES = [
  ['auprc', 'AUPRC'],
  ['auprcRatio', 'over chance'],
  ['auroc', 'AUROC'],
  ['epr', 'EPR'],
] as const;
const NUM_HUBS = 10;

export const grn = defineVerb({
  command: 'grn <file>',
  describe:
    'infer a gene network from learned perturbations, gene vectors, in-silico knock-outs or attention; scored beside simple methods where the truth is known',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: 'cells: .h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom, .csv or .tsv' })
      .option('checkpoint', {
        type: 'string',
        array: true,
        nargs: 1,
        demandOption: true,
        describe: 'checkpoint or run folder; repeated: the mean of several models, and how well they agree',
      })
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'edges as .csv: regulator, target, weight (negative represses); regulons beside it',
      })
      .option('tf', { type: 'string', describe: 'file of transcription factors, one a line: only they regulate [every gene may]' })
      .option('method', {
        choices: ['perturbation', 'vectors', 'dosage', 'removal', 'attention'] as const,
        describe: 'what ranks the edges [perturbation for a model fine-tuned on perturbations, else vectors, which also tell the sign of attention]',
      })
      .option('perturbation-key', {
        alias: 'key',
        type: 'string',
        describe:
          'obs column that says what was done to a cell: perturbations are predicted from its control cells [the one of the training, if the file has it]',
      })
      .option('control', { type: 'string', describe: 'its value for control cells [control, ctrl or non-targeting]' })
      .option('truth', { type: 'string', describe: 'true edges (Gene1, Gene2, Type): scores every method, beside co-expression over all cells and chance' })
      .option('group-key', { type: 'string', describe: 'obs column whose groups get networks of their own; with two groups, also their difference' })
      .option('groups', { type: 'string', describe: 'its values, parted by comma [all of them]' })
      .option('max-cells', { type: 'number', describe: 'cells that genes are looked for in, and attention is read from [300]' })
      .option('knockout-cells', { type: 'number', describe: 'of them, cells in which regulators are perturbed, changed or hidden [40]' })
      .option('min-cells', { type: 'number', describe: 'leave out genes expressed in fewer of them [10]' })
      .option('max-edges', { type: 'number', default: 10_000, describe: 'strongest edges to write' })
      .option('seed', { type: 'number', default: 0, describe: 'which genes are hidden when' })
      .options(CELL_FLAGS)
      .option('batch-size', { type: 'number', describe: 'cells whose attention is held at once [16]' }),
  async run(
    {
      file: path,
      checkpoint: paths,
      out,
      tf,
      method: asked,
      truth: truthFile,
      perturbationKey,
      control,
      groupKey,
      groups: wanted,
      maxCells,
      knockoutCells,
      minCells,
      maxEdges,
      seed,
      batchSize,
      ...flags
    },
    { progress, signal, say },
  ) {
    const [
      { inferNetworks, combine, defaultMethod, knownMethods },
      { scoreNetworks, stability, methodsOf },
      { networkEdges, regulons, signed, differenceOf },
      { loadCheckpoint },
      { loadTensorFlow },
      { createExecutor },
      { openCellFile },
      { writeFileAtomic },
      { readTrueEdges, readRegulators },
      { columnTexts },
      { DataError },
      { alignColumns },
      { plainNumbers },
    ] = await Promise.all([
      import('../../inference/grn/infer.js'),
      import('../../inference/grn/score.js'),
      import('../../inference/grn/regulons.js'),
      import('../../train/checkpoint.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
      import('../../data/readers/open.js'),
      import('../../files.js'),
      import('../metrics/network-data.js'),
      import('../metrics/cell-table.js'),
      import('../../errors.js'),
      import('../../tasks/finetune/methods.js'),
      import('../metrics/score-lines.js'),
    ]);
    const reading = await readingOf(flags);
    const regulators = tf === undefined ? undefined : await readRegulators(tf);
    const truth = truthFile === undefined ? undefined : await readTrueEdges(truthFile);
    const checkpoints = await Promise.all(paths.map((folder) => loadCheckpoint(folder)));
    const method = asked ?? (checkpoints.every((checkpoint) => defaultMethod(checkpoint) === 'perturbation') ? 'perturbation' : 'vectors');
    const needed = method === 'attention' ? (['attention', 'vectors'] as const) : [method];
    await loadTensorFlow({ notice: say });
    const file = await openCellFile(path);
    const executor = await createExecutor({ kind: 'auto' });
    try {
      const texts = groupKey === undefined ? undefined : columnTexts(file.obs(groupKey));
      const present = texts && [...new Set(texts)].filter((text): text is string => text !== null).sort();
      const names = wanted?.split(',').map((name) => name.trim()) ?? present;
      const missing = names?.find((name) => !present?.includes(name));
      if (missing !== undefined)
        throw new DataError({
          file: path,
          key: groupKey === undefined ? '--groups' : `obs['${groupKey}']`,
          found: groupKey === undefined ? 'groups without --group-key' : `no cell is '${missing}'`,
          expected: present ? `some of ${present.slice(0, 8).join(', ')}` : '--group-key COLUMN',
        });
      const parts = names
        ? names.map((name) => ({ name, rows: new Set(texts!.flatMap((text, row) => (text === name ? [row] : []))) }))
        : [{ name: undefined, rows: undefined }];
      const inferred = [];
      for (const part of parts) {
        const networks = [];
        for (const checkpoint of checkpoints)
          networks.push(
            await inferNetworks(checkpoint, executor, file, {
              regulators,
              regulatorsFile: tf,
              methods: truth ? knownMethods(checkpoint) : needed,
              baselines: truth !== undefined,
              perturbationKey,
              control,
              maxCells,
              knockoutCells,
              minCells,
              seed,
              ...reading,
              batchSize,
              rows: part.rows,
              progress,
              signal,
            }),
          );
        const strength = combine(networks, method);
        inferred.push({
          ...part,
          networks,
          weights: method === 'attention' ? signed(strength, combine(networks, 'vectors')) : strength,
          genes: networks[0]!.genes,
        });
      }
      const fileOf = (suffix: string | undefined) => (suffix === undefined ? out : out.replace(/(\.csv)?$/, `.${suffix}.csv`));
      const csv = (edges: readonly { regulator: string; target: string; weight: number }[]) =>
        `${['regulator,target,weight', ...edges.map(({ regulator, target, weight }) => `${regulator},${target},${Number(weight.toPrecision(6))}`)].join('\n')}\n`;
      const written: string[] = [];
      const results = [];
      for (const { name, networks, weights, genes } of inferred) {
        const edges = networkEdges(weights, genes, maxEdges);
        const table = regulons(edges, { numStrong: Math.min(edges.length, 5 * genes.genes.length), numTargets: 20 });
        await writeFileAtomic(fileOf(name), csv(edges));
        await writeFileAtomic(
          fileOf(name === undefined ? 'regulons' : `${name}.regulons`),
          `${['regulator,num_strong_edges,promoted,repressed', ...table.map((r) => `${r.regulator},${r.numStrongEdges},${r.promoted.join(' ')},${r.repressed.join(' ')}`)].join('\n')}\n`,
        );
        written.push(fileOf(name));
        const scored = truth && scoreNetworks(networks, truth, regulators, seed);
        results.push({
          name,
          numCells: networks[0]!.numCells,
          numGenes: genes.genes.length,
          numRegulators: genes.regulators.length,
          numEdges: edges.length,
          hubs: table.slice(0, NUM_HUBS),
          scored,
          stability: Object.fromEntries(methodsOf(networks).map((key) => [key, stability(networks, key) ?? null])),
          notes: networks[0]!.notes,
        });
      }
      const [first, second] = inferred;
      if (
        inferred.length === 2 &&
        first!.genes.genes.join() === second!.genes.genes.join() &&
        first!.genes.regulators.join() === second!.genes.regulators.join()
      ) {
        await writeFileAtomic(fileOf('difference'), csv(networkEdges(differenceOf(first!.weights, second!.weights), first!.genes, maxEdges)));
        written.push(fileOf('difference'));
      } else if (inferred.length === 2) say('the two groups express different genes: no table of differences (lower --min-cells)');
      return {
        json: {
          files: written,
          method,
          groups: results.map(({ scored, ...rest }) => ({
            ...rest,
            scores: scored
              ? {
                  numTrue: scored.numTrue,
                  numPairs: scored.numPairs,
                  methods: scored.methods.map(({ name, scores, reversed, signed: signs }) => ({
                    name,
                    ...plainNumbers(scores),
                    reversed: plainNumbers(reversed),
                    signAccuracy: signs && Number.isFinite(signs.signAccuracy) ? signs.signAccuracy : null,
                  })),
                  perModel: Object.fromEntries(Object.entries(scored.perModel).map(([key, list]) => [key, list.map(plainNumbers)])),
                }
              : null,
          })),
        },
        text: results
          .flatMap(({ name, numCells, numGenes, numRegulators, hubs, scored, stability: agreement, notes }) => [
            `${name === undefined ? '' : `${name}: `}${numCells} cells, ${numGenes} genes, ${numRegulators} regulators → ${fileOf(name)}, ranked by ${method}`,
            ...notes,
            ...(checkpoints.length > 1
              ? [
                  `agreement of ${checkpoints.length} models (Spearman of |weights|): ${Object.entries(agreement)
                    .map(([key, r]) => `${key} ${r!.toFixed(2)}`)
                    .join(', ')}`,
                ]
              : []),
            ...(scored
              ? [
                  `${scored.numTrue} true edges among ${scored.numPairs} pairs`,
                  ...alignColumns([
                    ['', ...TITLES.map(([, title]) => title), 'reversed, over chance', 'signs right'],
                    ...scored.methods.map(({ name: title, scores, reversed, signed: signs }) => [
                      title,
                      ...TITLES.map(([key]) => scores[key].toFixed(3)),
                      reversed.auprcRatio.toFixed(3),
                      signs ? signs.signAccuracy.toFixed(3) : '–',
                    ]),
                  ]),
                ]
              : []),
            'hubs:',
            ...hubs.map(
              ({ regulator, numStrongEdges, promoted, repressed }) =>
                `  ${regulator} (${numStrongEdges} strong edges) promotes ${promoted.slice(0, 5).join(', ') || '–'}; represses ${repressed.slice(0, 5).join(', ') || '–'}`,
            ),
          ])
          .join('\n'),
      };
    } finally {
      executor.dispose();
      file.close();
    }
  },
});
