import { defineVerb } from '../verb.js';

/** `scdiva trajectory FILE`: cells in the order of a process, from any embedding of a file. */
export const trajectory = defineVerb({
  command: 'trajectory <file>',
  describe: 'order cells along a process: pseudotime from a root, and how groups hang together',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: '.h5ad with an embedding, such as scdiva embed writes' })
      .option('embedding', { type: 'string', default: 'X_scdiva', requiresArg: true, describe: 'obsm entry' })
      .option('group', { type: 'string', requiresArg: true, demandOption: true, describe: 'obs column of the groups: cell types, clusters, stages' })
      .option('root-group', { type: 'string', requiresArg: true, describe: 'the process begins in this group, at the cell farthest from all others' })
      .option('root-cell', { type: 'string', requiresArg: true, conflicts: 'root-group', describe: 'or at this cell' })
      .option('time', { type: 'string', requiresArg: true, describe: 'obs column of a known time: says how well pseudotime follows it' })
      .option('neighbours', { type: 'number', default: 15, describe: 'of the graph, the cell itself counted' })
      .option('components', { type: 'number', default: 10, describe: 'of the diffusion map' })
      .option('seed', { type: 'number', default: 0 })
      .option('out', { type: 'string', requiresArg: true, describe: "the .h5ad to write, with obs['scdiva_pseudotime'] and uns['scdiva_trajectory']" })
      .option('report', { type: 'string', requiresArg: true, describe: '.html page or .svg picture to write' }),
  async run({ file, embedding, group, rootGroup, rootCell, time, neighbours, components, seed, out, report }, { progress }) {
    const [
      { ConfigError, OutputError },
      { readTrajectoryCells, rootOf },
      { groupEdges, groupTimes, timeAgreement, trajectoryMap },
      { diffusionPseudotime },
      { groupGraph },
      { Rng },
      { wholeNumber },
      { plain },
    ] = await Promise.all([
      import('../../errors.js'),
      import('../trajectory/read.js'),
      import('../trajectory/results.js'),
      import('../../metrics/trajectory/pseudotime.js'),
      import('../../metrics/trajectory/group-graph.js'),
      import('../../rng.js'),
      import('../build-flags.js'),
      import('../evaluate/reconstruction-results.js'),
    ]);
    if (rootGroup === undefined && rootCell === undefined)
      throw new ConfigError({ key: '--root-group', found: 'missing', expected: 'the group or, with --root-cell, the cell that the process begins at' });
    if (report !== undefined && !/\.(html|svg)$/.test(report))
      throw new OutputError({ file: report, found: 'neither .html nor .svg', hint: 'name a file with one of these endings' });
    const options = { numNeighbours: wholeNumber('--neighbours', neighbours, 2), numComponents: wholeNumber('--components', components, 2) };
    const rng = Rng.fromSeed(wholeNumber('--seed', seed, 0)).fork('trajectory');
    const cells = await readTrajectoryCells(file, embedding, group, time);
    const root = rootOf(cells, group, { rootCell, rootGroup });
    const bar = progress.start('Trajectory', 2, 'steps');
    const found = await diffusionPseudotime(cells.points, root, rng.fork('diffusion'), options);
    bar.update(1, 'groups');
    const graph = groupGraph(found.neighbours, cells.groups);
    bar.update(2);
    bar.stop();

    const edges = groupEdges(graph);
    const groups = groupTimes(cells, found);
    const agreement = timeAgreement(cells, found, rng.fork('pca'));
    const rootName = cells.cellIds[found.root]!;
    const name = (code: number): string => cells.groupNames[code]!;
    const numTimed = found.values.filter(Number.isFinite).length;
    const [numApart, numWithout] = [cells.rows.length - numTimed, cells.numCells - cells.rows.length];
    const notes = [
      `pseudotime: diffusion distance from the root (Haghverdi 2016), ${options.numNeighbours} neighbours, ${options.numComponents} components; graph of groups: PAGA (Wolf 2019)`,
      ...(numApart > 0 ? [`${numApart} cells are not joined to the root by the neighbour graph: they have no pseudotime`] : []),
      ...(numWithout > 0 ? [`${numWithout} cells have no coordinates in ${embedding}: left out`] : []),
      ...(agreement
        ? [
            `Spearman with obs['${time}'] ${agreement.spearman.toFixed(3)}; of the distance along the first principal component of ${embedding} ${agreement.spearmanPca.toFixed(3)} (${agreement.numCells} cells)`,
          ]
        : []),
    ];
    if (out !== undefined) {
      const { writeAnnotatedH5ad } = await import('../../data/writers/h5ad.js');
      const values = new Float32Array(cells.numCells).fill(NaN);
      cells.rows.forEach((row, i) => (values[row] = found.values[i]!));
      const { numNeighbours, numComponents } = options;
      const table = {
        edges_from: edges.map(({ a }) => name(a)),
        edges_to: edges.map(({ b }) => name(b)),
        edges_connectivity: Float64Array.from(edges, ({ connectivity }) => connectivity),
        edges_in_tree: Int32Array.from(edges, ({ isOfTree }) => Number(isOfTree)),
      };
      const settings = { embedding, group, root: rootName, num_neighbours: numNeighbours, num_components: numComponents, groups: cells.groupNames };
      await writeAnnotatedH5ad({
        input: file,
        output: out,
        obs: { scdiva_pseudotime: { kind: 'numeric', values } },
        uns: { scdiva_trajectory: { ...settings, ...(edges.length > 0 && table) } },
      });
    }
    if (report !== undefined) {
      const [{ renderTrajectoryPage, trajectorySvg }, { writeFileAtomic }] = await Promise.all([
        import('../../report/trajectory-page.js'),
        import('../../files.js'),
      ]);
      const map = trajectoryMap(cells, found, edges, rng.fork('picture'));
      await writeFileAtomic(
        report,
        report.endsWith('.svg')
          ? await trajectorySvg(map)
          : await renderTrajectoryPage({
              title: 'Trajectory',
              subtitle: `${cells.rows.length} cells of ${file} by ${embedding}, from ${rootName}`,
              map,
              groups,
              notes,
            }),
      );
    }
    const tree = graph.tree.map(([a, b]) => `${name(a)} – ${name(b)} (${graph.connectivities[a * graph.numGroups + b]!.toFixed(2)})`);
    return {
      json: plain({
        numCells: cells.rows.length,
        numTimed,
        root: rootName,
        groups,
        edges: edges.map(({ a, b, ...edge }) => ({ from: name(a), to: name(b), ...edge })),
        agreement,
        out,
        report,
      }) as Record<string, unknown>,
      text: [
        `${file}: ${numTimed} cells in order from ${rootName}`,
        ...groups.map(({ name: group, meanTime, spread }) => `  ${Number.isNaN(meanTime) ? '–' : `${meanTime.toFixed(3)} ± ${spread.toFixed(3)}`}  ${group}`),
        `tree: ${tree.join(', ') || 'no two groups are joined'}`,
        ...notes.map((note) => `- ${note}`),
      ].join('\n'),
    };
  },
});
