// npm run -s bench -- loader [--json] [--corpus corpus/] [--cells 20000] [--workers 0,1,2] [--batch 64] [--serialisation entropy] [--depth none]
//
// One shuffled epoch over a corpus: every row read from its shard, ranked, cut to the 1,200 best genes, padded and batched.
// `rows` are raw rows read in random order and nothing else. Without --corpus the cells are synthetic (see import.mjs); making
// and importing them is not counted.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { peakRssMb, print, round, timed } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    corpus: { type: 'string' },
    cells: { type: 'string', default: '20000' },
    workers: { type: 'string', default: '0,1,2' },
    batch: { type: 'string', default: '64' },
    serialisation: { type: 'string', default: 'entropy' },
    depth: { type: 'string', default: 'none' },
  },
});
const { buildCorpus } = await import('../dist/data/corpus/build.js');
const { openCorpus } = await import('../dist/data/corpus/corpus.js');
const { createLoader } = await import('../dist/data/loader/loader.js');
const { DepthCorruption, LoaderConfig, Preprocessing } = await import('../dist/data/loader/config.js');
const { Rng } = await import('../dist/rng.js');

const folder = mkdtempSync(join(tmpdir(), 'scdiva-bench-'));
try {
  let path = flags.corpus;
  if (path === undefined) {
    const { writeSyntheticCells } = await import('./support/synthetic-cells.mjs');
    const file = join(folder, 'cells.h5ad');
    await writeSyntheticCells(file, { numCells: Number(flags.cells) });
    path = join(folder, 'corpus');
    await buildCorpus([file], { out: path });
  }
  const corpus = await openCorpus(path);
  const all = Int32Array.from({ length: corpus.numCells }, (_, row) => row);
  const result = { bench: 'loader', cells: corpus.numCells, genes_per_cell: round(corpus.manifest.numValues / corpus.numCells), batch: Number(flags.batch), serialisation: flags.serialisation, depth: flags.depth };
  const order = Rng.fromSeed(1).permutation(corpus.numCells);
  let checksum = 0;
  const [, rowSeconds] = await timed(() => order.forEach((row) => (checksum += corpus.readCell(row).values.length)));
  if (checksum !== corpus.manifest.numValues) throw new Error('the rows are not those of the corpus');
  result.rows_cells_per_s = Math.round(corpus.numCells / rowSeconds);
  for (const numWorkers of flags.workers.split(',').map(Number)) {
    const loader = createLoader(corpus, {
      rows: all,
      batchSize: Number(flags.batch),
      preprocessing: Preprocessing.parse({ serialisation: flags.serialisation }),
      rng: Rng.fromSeed(2),
      labelKeys: corpus.obsKeys,
      depth: DepthCorruption.parse({ kind: flags.depth }),
      loader: LoaderConfig.parse({ numWorkers }),
    });
    let cells = 0;
    let slots = 0;
    let genes = 0;
    const [, seconds, cpuSeconds] = await timed(async () => {
      for await (const batch of loader) {
        cells += batch.numCells;
        slots += batch.numCells * batch.seqLen;
        for (const n of batch.numGenes) genes += n;
      }
    });
    if (cells !== corpus.numCells) throw new Error(`${cells} of ${corpus.numCells} cells came`);
    result[`workers_${numWorkers}_cells_per_s`] = Math.round(cells / seconds);
    result[`workers_${numWorkers}_cpu_us_per_cell`] = round((cpuSeconds / cells) * 1e6);
    result.padding_share = round(1 - genes / slots, 3);
  }
  result.peak_rss_mb = round(peakRssMb());
  corpus.close();
  print(result, flags.json);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
