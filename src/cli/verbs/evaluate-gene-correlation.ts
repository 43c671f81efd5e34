import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

/** `scdiva evaluate gene-correlation`: which genes a model takes to go together, against the expression itself. */
export const evaluateGeneCorrelation = defineVerb({
  command: 'gene-correlation',
  describe: 'which genes go together for a model (embedding, states, predicted values), against their correlation in the cells',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, requiresArg: true, describe: 'checkpoint or run folder' })
      .option('data', { type: 'string', demandOption: true, requiresArg: true, describe: 'file of cells' })
      .option('genes', { type: 'string', array: true, describe: 'symbols or Ensembl ids [the most variable]' })
      .option('num-genes', { type: 'number', default: 200, describe: 'how many, where none are named' })
      .option('max-cells', { type: 'number', default: 500, describe: 'cells, drawn at random' })
      .option('seed', { type: 'number', default: 0 })
      .options(CELL_FLAGS)
      .option('out', { type: 'string', requiresArg: true, describe: 'folder for gene-correlation.json, report.html and heat-map.svg' }),
  async run({ checkpoint: path, data, genes, numGenes, maxCells, seed, out, ...flags }, { progress, signal, say }) {
    const [
      { wholeNumber },
      { geneCorrelation, CORRELATION_SOURCES },
      { loadCheckpoint },
      { loadTensorFlow },
      { createExecutor },
      { openCellFile },
      page,
      { scoreTable },
    ] = await Promise.all([
      import('../build-flags.js'),
      import('../../inference/gene-correlation.js'),
      import('../../train/checkpoint.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
      import('../../data/readers/open.js'),
      import('../../report/gene-correlation-page.js'),
      import('../metrics/score-lines.js'),
    ]);
    const options = {
      genes,
      numGenes: wholeNumber('--num-genes', numGenes, 3),
      maxCells: wholeNumber('--max-cells', maxCells, 10),
      seed: wholeNumber('--seed', seed, 0),
      ...(await readingOf(flags)),
      progress,
      signal,
    };
    const checkpoint = await loadCheckpoint(path);
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind: 'auto' });
    const cells = await openCellFile(data);
    try {
      const found = await geneCorrelation(checkpoint, executor, cells, options);
      const subtitle = `${data}: ${found.genes.length} genes over ${found.numCells} cells drawn at random`;
      const modules = Object.fromEntries(
        Object.entries(found.modules).map(([key, of]) => [
          key,
          Array.from({ length: Math.max(0, ...of) + 1 }, (_, module) => found.genes.filter((_, g) => of[g] === module)),
        ]),
      );
      const json = { numCells: found.numCells, numGenes: found.genes.length, genes: found.genes, agreement: found.agreement, modules, notes: found.notes };
      if (out !== undefined) {
        const [{ join }, { makeFolder, writeFileAtomic }] = await Promise.all([import('node:path'), import('../../files.js')]);
        const rows = (of: { numGenes: number; data: Float64Array }) =>
          Array.from({ length: of.numGenes }, (_, a) =>
            Array.from(of.data.subarray(a * of.numGenes, (a + 1) * of.numGenes), (value) => (Number.isFinite(value) ? +value.toFixed(6) : null)),
          );
        await makeFolder(out);
        await writeFileAtomic(
          join(out, 'gene-correlation.json'),
          `${JSON.stringify({ ...json, raw: rows(found.raw), matrices: Object.fromEntries(Object.entries(found.matrices).map(([key, of]) => [key, rows(of)])) })}\n`,
        );
        await writeFileAtomic(join(out, 'report.html'), await page.renderGeneCorrelationPage({ ...found, subtitle }));
        await writeFileAtomic(join(out, 'heat-map.svg'), await page.geneCorrelationSvg({ ...found, subtitle }));
      }
      const columns = ['Spearman', 'Pearson', 'shuffled', 'largest of 20'];
      return {
        json,
        text: [
          subtitle,
          '',
          ...scoreTable(
            columns,
            CORRELATION_SOURCES.map((source) => ({
              name: source,
              meaning: page.sourceName(source),
              values: [found.agreement[source].spearman, found.agreement[source].pearson, found.agreement[source].nullMean, found.agreement[source].nullMax],
            })),
          ),
          '',
          ...modules['raw']!.slice(0, 8).map(
            (members, i) => `module ${i + 1}: ${members.slice(0, 12).join(', ')}${members.length > 12 ? ` and ${members.length - 12} more` : ''}`,
          ),
          ...found.notes.map((note) => `- ${note}`),
        ].join('\n'),
      };
    } finally {
      cells.close();
      executor.dispose();
    }
  },
});
