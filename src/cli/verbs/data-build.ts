import type { FileGenes } from '../../data/corpus/build.js';
import { defineVerb } from '../verb.js';

/** `scdiva data build FILES… --out CORPUS`: files of cells become one corpus to train on. */
export const dataBuild = defineVerb({
  command: 'build <files..>',
  describe: 'make a corpus of one or more files, with a train, validation and test split',
  options: (y) =>
    y
      .positional('files', { type: 'string', array: true, demandOption: true, describe: '.h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom, .csv or .tsv' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'corpus folder; an interrupted build of the same files continues' })
      .option('matrix', { type: 'string', requiresArg: true, describe: 'X, raw/X or layers/<name>; default: as data inspect says' })
      .option('value-kind', { choices: ['counts', 'cpm', 'log1p'] as const, describe: 'what the values are, where the numbers do not tell' })
      .option('genes', {
        alias: 'vocabulary',
        type: 'string',
        requiresArg: true,
        describe: "genes.tsv, or the folder of a corpus; default: the files' own genes",
      })
      .option('checkpoint', { type: 'string', requiresArg: true, conflicts: 'genes', describe: 'take the genes of this checkpoint, to fine-tune it' })
      .option('gene-table', {
        type: 'string',
        requiresArg: true,
        describe: 'what genes are and were called (scdiva data genes): joins symbols, old symbols, Ensembl ids',
      })
      .option('orthologs', {
        type: 'string',
        requiresArg: true,
        describe: 'table of human orthologs: files of mouse (or other) genes become human ones, one-to-one; human files stay',
      })
      .option('gene-report', { type: 'string', requiresArg: true, describe: 'write what became of every gene of every file (.tsv)' })
      .option('convert', { choices: ['counts', 'cpm', 'log1p'] as const, describe: 'bring every file to this kind of values, where that needs no guessing' })
      .option('obs', { type: 'string', array: true, nargs: 1, describe: 'obs field to keep, repeatable; default: all that look like labels' })
      .option('label', { type: 'string', requiresArg: true, describe: 'obs field whose classes are spread evenly over the split' })
      .option('min-class-cells', { type: 'number', requiresArg: true, default: 1, describe: 'cells of smaller classes are kept without a label' })
      .option('unlabelled', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'class of --label that is none, such as unknown: its cells are kept without a label; repeatable',
      })
      .option('split', { type: 'string', requiresArg: true, default: '0.8/0.1/0.1', describe: 'shares of train/validation/test' })
      .option('split-by', {
        type: 'string',
        requiresArg: true,
        describe: 'obs field whose groups (donors) stay together, or that says train, validation, test',
      })
      .option('min-genes', { type: 'number', requiresArg: true, default: 1, describe: 'drop cells with fewer genes of the vocabulary' })
      .option('min-counts', { type: 'number', requiresArg: true, default: 0, describe: 'drop cells with a smaller library' })
      .option('max-mito', { type: 'number', requiresArg: true, default: 1, describe: 'drop cells with a larger share of mitochondrial expression' })
      .option('keep', { type: 'string', array: true, nargs: 1, describe: 'obs field and values, cell_type=B,T: only such cells; repeatable' })
      .option('drop', { type: 'string', array: true, nargs: 1, describe: 'no such cells, doublet=True; repeatable' })
      .option('drop-duplicates', { type: 'boolean', default: false, describe: 'of cells with the same values keep the first' })
      .option('seed', { type: 'number', requiresArg: true, default: 0, describe: 'of the split' })
      .option('shard-cells', { type: 'number', requiresArg: true, default: 8192, describe: 'cells a shard' })
      .option('workers', { type: 'number', requiresArg: true, describe: 'threads; default: one for each processor, none for a small build' })
      .option('memory', { type: 'number', requiresArg: true, describe: 'MB the build may hold, about; takes threads away until it fits' })
      .option('rank', {
        type: 'number',
        requiresArg: true,
        implies: 'world',
        describe: 'make only this share of the shards, 0 up to --world less one; data merge joins them',
      })
      .option('world', { type: 'number', requiresArg: true, implies: 'rank', describe: 'how many processes share the build' })
      .option('value-type', { choices: ['float32'] as const, describe: 'store counts as floats from the start: where data merge asks for it' })
      .option('compression', {
        choices: ['none', 'lz4', 'zstd'] as const,
        default: 'none' as const,
        describe: 'none only: training reads single rows in place',
      })
      .option('sync', { type: 'boolean', default: true, describe: 'wait until every shard is on the disk; --no-sync leaves that to the operating system' }),
  async run(flags, { progress, signal }) {
    const [{ buildCorpus }, { openCorpus }, { corpusPage, describeCorpus }] = await Promise.all([
      import('../../data/corpus/build.js'),
      import('../../data/corpus/corpus.js'),
      import('../../data/corpus/describe.js'),
    ]);
    const { geneTableOf, orthologsOf, numberBetween, obsValues, wholeNumber, splitShares, vocabularyOf } = await import('../build-flags.js');
    if (flags.compression !== 'none') {
      const { ConfigError } = await import('../../errors.js');
      throw new ConfigError({
        key: '--compression',
        found: flags.compression,
        expected: 'none: one row of a packed shard would cost unpacking all of it',
        hint: 'pack the finished folder for its journey, as with tar and zstd',
      });
    }
    const genes: FileGenes[] = [];
    const notes: string[] = [];
    const manifest = await buildCorpus(flags.files, {
      onGenes: (found) => genes.push(found),
      onNotes: (file, ofFile) => notes.push(...ofFile.map((note) => `${file}: ${note}`)),
      out: flags.out,
      matrix: flags.matrix,
      valueKind: flags.valueKind,
      vocabulary: await vocabularyOf(flags),
      geneTable: await geneTableOf(flags.geneTable),
      orthologs: await orthologsOf(flags.orthologs),
      convert: flags.convert,
      obsKeys: flags.obs,
      label: flags.label,
      minClassCells: wholeNumber('--min-class-cells', flags.minClassCells, 1),
      unlabelled: flags.unlabelled,
      fractions: splitShares(flags.split),
      splitBy: flags.splitBy,
      minGenes: wholeNumber('--min-genes', flags.minGenes, 0),
      minCounts: numberBetween('--min-counts', flags.minCounts, 0, Infinity),
      maxMitoShare: numberBetween('--max-mito', flags.maxMito, 0, 1),
      keep: obsValues('--keep', flags.keep),
      drop: obsValues('--drop', flags.drop),
      dropDuplicates: flags.dropDuplicates,
      seed: wholeNumber('--seed', flags.seed, 0),
      shardCells: wholeNumber('--shard-cells', flags.shardCells, 1),
      numWorkers: flags.workers === undefined ? undefined : wholeNumber('--workers', flags.workers, 0),
      memoryBytes: flags.memory === undefined ? undefined : 1e6 * numberBetween('--memory', flags.memory, 1, Infinity),
      share: flags.rank === undefined ? undefined : { rank: flags.rank, world: flags.world ?? 1 },
      valueType: flags.valueType,
      sync: flags.sync,
      progress,
      signal,
    });
    if (flags.geneReport !== undefined) {
      const [{ geneReport }, { writeFileAtomic }] = await Promise.all([import('../../data/genes/gene-report.js'), import('../../files.js')]);
      await writeFileAtomic(
        flags.geneReport,
        genes.map((found, i) => geneReport(found, i === 0)),
      );
    }
    if (flags.rank !== undefined) {
      const { numCells, shards } = manifest;
      const share = { rank: flags.rank, world: flags.world ?? 1 };
      return {
        json: { out: flags.out, share, numCells, numShards: shards.length, notes },
        text: `${flags.out}: part ${share.rank} of ${share.world}, ${numCells} cells in ${shards.length} shards; scdiva data merge joins the parts${notes.map((note) => `\n  ${note}`).join('')}`,
      };
    }
    const corpus = await openCorpus(flags.out);
    const description = describeCorpus(corpus);
    return {
      json: { ...description, notes },
      text: [corpusPage(description), ...(notes.length > 0 ? ['', 'notes', ...notes.map((note) => `  ${note}`)] : [])].join('\n'),
    };
  },
});
