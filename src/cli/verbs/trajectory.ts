import { defineVerb } from '../verb.js';

/** Cells that the picture shows, drawn at random. */
const MAX_DRAWN = 4000;

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
      .option('neighbours', { type: 'number', default: 15, describe: 'of the graph' })
      .option('components', { type: 'number', default: 10, describe: 'of the diffusion map' })
      .option('seed', { type: 'number', default: 0 })
      .option('out', { type: 'string', requiresArg: true, describe: "the .h5ad to write, with obs['scdiva_pseudotime'] and uns['scdiva_trajectory']" })
      .option('report', { type: 'string', requiresArg: true, describe: '.html page or .svg picture to write' }),
  async run({ file, embedding: key, group, rootGroup, rootCell, time: timeKey, neighbours: numNeighbours, components: numComponents, seed, out, report }, { progress }) {
    const [{ ConfigError, DataError, OutputError }, { openCellTable, encode }, { openCellFile }, { diffusionPseudotime, straightPseudotime }, { groupGraph }, { spearman, meanOfNumbers }, { takePoints }, { Rng }, { wholeNumber }, components] = await Promise.all([
      import('../../errors.js'),
      import('../metrics/cell-table.js'),
      import('../../data/readers/open.js'),
      import('../../metrics/trajectory/pseudotime.js'),
      import('../../metrics/trajectory/group-graph.js'),
      import('../../metrics/correlation.js'),
      import('../../metrics/points.js'),
      import('../../rng.js'),
      import('../build-flags.js'),
      import('../trajectory/first-component.js'),
    ]);
    wholeNumber('--neighbours', numNeighbours, 2);
    wholeNumber('--components', numComponents, 1);
    if (rootGroup === undefined && rootCell === undefined) throw new ConfigError({ key: '--root-group', found: 'missing', expected: 'the group or, with --root-cell, the cell that the process begins at' });
    if (report !== undefined && !/\.(html|svg)$/.test(report)) throw new OutputError({ file: report, found: 'neither .html nor .svg', hint: 'name a file with one of these endings' });
    const rng = Rng.fromSeed(wholeNumber('--seed', seed, 0)).fork('trajectory');
    const table = await openCellTable(file);
    let read;
    try {
      const embedding = table.embedding(key);
      const kept = Array.from({ length: table.numCells }, (_, i) => i).filter((i) => embedding.data.subarray(i * embedding.numColumns, (i + 1) * embedding.numColumns).every(Number.isFinite));
      if (kept.length < 3) throw new DataError({ file, key: `obsm['${key}']`, found: `${kept.length} cells with coordinates`, expected: 'at least 3' });
      const texts = table.column(group);
      read = { kept, points: takePoints(embedding, kept), texts: kept.map((i) => texts[i]!), times: timeKey === undefined ? undefined : kept.map((i) => table.numbers(timeKey)[i]!), numCells: table.numCells };
    } finally {
      table.close();
    }
    const { kept, points, texts, times, numCells } = read;
    const known = encode(texts.filter((text) => text !== null));
    const codeOf = new Map(known.names.map((name, code) => [name, code]));
    const groups = Int32Array.from(texts, (text) => (text === null ? -1 : codeOf.get(text)!));
    const root = rootCell === undefined ? cellsOfGroup(rootGroup!) : await cellNamed(rootCell);
    function cellsOfGroup(name: string): number[] {
      const code = codeOf.get(name);
      if (code === undefined) throw new DataError({ file, key: `obs['${group}']`, found: `no group '${name}'`, expected: `one of ${known.names.slice(0, 12).join(', ')}` });
      return [...groups.keys()].filter((i) => groups[i] === code);
    }
    async function cellNamed(name: string): Promise<number> {
      const cells = await openCellFile(file);
      const at = kept.indexOf(cells.cellIds.indexOf(name));
      cells.close();
      if (at < 0) throw new DataError({ file, key: '--root-cell', found: `no cell '${name}' with coordinates`, expected: 'a name of the obs index' });
      return at;
    }
    const bar = progress.start('Trajectory', 2, 'steps');
    const found = await diffusionPseudotime(points, root, rng.fork('diffusion'), { numNeighbours, numComponents });
    bar.update(1, 'groups');
    const graph = groupGraph(found.neighbours, groups);
    bar.update(2);
    bar.stop();
    const straight = straightPseudotime(components.firstComponent(points, rng.fork('pca')), found.root);
    const isTimed = [...kept.keys()].filter((i) => Number.isFinite(found.values[i]));
    const agreement = times && (() => {
      const both = isTimed.filter((i) => Number.isFinite(times[i]));
      const pick = (values: ArrayLike<number>) => both.map((i) => values[i]!);
      return { spearman: spearman(pick(found.values), pick(times)), spearmanPca: spearman(pick(straight), pick(times)), numCells: both.length };
    })();
    const groupTimes = known.names
      .map((name, code) => {
        const own = isTimed.filter((i) => groups[i] === code).map((i) => found.values[i]!);
        const mean = meanOfNumbers(own);
        return { name, numCells: texts.filter((text) => text === name).length, meanTime: mean, spread: Math.sqrt(meanOfNumbers(own.map((t) => (t - mean) ** 2))) };
      })
      .sort((a, b) => a.meanTime - b.meanTime || Number(Number.isNaN(a.meanTime)) - Number(Number.isNaN(b.meanTime)));
    const G = graph.numGroups;
    const isOfTree = new Set(graph.tree.map(String));
    const edges = known.names.flatMap((_, a) => known.names.slice(a + 1).map((_, i) => a + 1 + i).map((b) => ({ a, b, connectivity: graph.connectivities[a * G + b]!, isOfTree: isOfTree.has(`${a},${b}`) }))).filter(({ connectivity }) => connectivity > 0);
    const numApart = kept.length - isTimed.length;
    const notes = [
      `pseudotime: diffusion distance from the root (Haghverdi 2016), ${numNeighbours} neighbours, ${numComponents} components; graph of groups: PAGA (Wolf 2019)`,
      ...(numApart > 0 ? [`${numApart} cells are not joined to the root by the neighbour graph: they have no pseudotime`] : []),
      ...(numCells > kept.length ? [`${numCells - kept.length} cells have no coordinates in ${key}: left out`] : []),
      ...(agreement ? [`Spearman with obs['${timeKey}'] ${agreement.spearman.toFixed(3)}; of the distance along the first principal component of ${key} ${agreement.spearmanPca.toFixed(3)} (${agreement.numCells} cells)`] : []),
    ];
    const { cellIds, close } = await openCellFile(file).then((cells) => ({ cellIds: cells.cellIds, close: () => cells.close() }));
    const rootName = cellIds[kept[found.root]!]!;
    close();
    if (out !== undefined) {
      const { writeAnnotatedH5ad } = await import('../../data/writers/h5ad.js');
      const values = new Float32Array(numCells).fill(NaN);
      kept.forEach((cell, i) => (values[cell] = found.values[i]!));
      await writeAnnotatedH5ad({
        input: file,
        output: out,
        obs: { scdiva_pseudotime: { kind: 'numeric', values } },
        uns: { scdiva_trajectory: { embedding: key, group, root: rootName, num_neighbours: numNeighbours, num_components: numComponents, groups: known.names, edges_from: edges.map(({ a }) => known.names[a]!), edges_to: edges.map(({ b }) => known.names[b]!), edges_connectivity: Float64Array.from(edges, ({ connectivity }) => connectivity), edges_in_tree: Int32Array.from(edges, (edge) => Number(edge.isOfTree)) } },
      });
    }
    if (report !== undefined) {
      const [{ renderTrajectoryPage, trajectorySvg }, { writeFileAtomic }] = await Promise.all([import('../../report/trajectory-page.js'), import('../../files.js')]);
      const { diffusion, rowOf } = found;
      const at = (i: number, j: number) => diffusion.data[rowOf[i]! * diffusion.numColumns + Math.min(j, diffusion.numColumns - 1)]!;
      const drawn = [...rng.fork('picture').permutation(isTimed.length)].slice(0, MAX_DRAWN).map((i) => isTimed[i]!).sort((a, b) => a - b);
      const middle = (code: number, j: number) => meanOfNumbers(isTimed.filter((i) => groups[i] === code).map((i) => at(i, j)));
      const shown = known.names.map((name, code) => ({ name, x: middle(code, 1), y: middle(code, 2), numCells: texts.filter((text) => text === name).length }));
      const map = { x: drawn.map((i) => at(i, 1)), y: drawn.map((i) => at(i, 2)), time: drawn.map((i) => found.values[i]!), groups: shown, edges: edges.filter(({ a, b }) => Number.isFinite(shown[a]!.x) && Number.isFinite(shown[b]!.x)), method: 'diffusion component' };
      const subtitle = `${kept.length} cells of ${file} by ${key}, from ${rootName}`;
      await writeFileAtomic(report, report.endsWith('.svg') ? await trajectorySvg(map) : await renderTrajectoryPage({ title: 'Trajectory', subtitle, map, groups: groupTimes, notes }));
    }
    return {
      json: { numCells: kept.length, numTimed: isTimed.length, root: rootName, groups: groupTimes.map((one) => ({ ...one, meanTime: finite(one.meanTime), spread: finite(one.spread) })), edges: edges.map(({ a, b, ...edge }) => ({ from: known.names[a], to: known.names[b], ...edge })), ...(agreement && { agreement }), out, report },
      text: [
        `${file}: ${isTimed.length} cells in order from ${rootName}`,
        ...groupTimes.map(({ name, meanTime, spread }) => `  ${Number.isNaN(meanTime) ? '–' : `${meanTime.toFixed(3)} ± ${spread.toFixed(3)}`}  ${name}`),
        `tree: ${graph.tree.map(([a, b]) => `${known.names[a]} – ${known.names[b]} (${graph.connectivities[a * G + b]!.toFixed(2)})`).join(', ') || 'no two groups are joined'}`,
        ...notes.map((note) => `- ${note}`),
      ].join('\n'),
    };
  },
});

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
