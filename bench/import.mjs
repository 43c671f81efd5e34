// npm run -s bench -- import [--json] [--file cells.h5ad] [--cells 20000] [--genes 20000] [--keep corpus/]
//
// Builds a corpus of a file of counts and reports cells a second, over all that a build does: hashing the source, judging its
// values, reading, splitting, statistics, writing, hashing and syncing shards. Without --file the cells are synthetic: about
// 1,600 genes a cell, uncompressed float32 rows, 256 MB for 20,000 cells; making them is not counted.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { peakRssMb, print, round, timed } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    file: { type: 'string' },
    cells: { type: 'string', default: '20000' },
    genes: { type: 'string', default: '20000' },
    keep: { type: 'string' },
  },
});
const { buildCorpus } = await import('../dist/data/corpus/build.js');

const folder = mkdtempSync(join(tmpdir(), 'scdiva-bench-'));
try {
  let file = flags.file;
  if (file === undefined) {
    const { spawnSync } = await import('node:child_process');
    file = join(folder, 'cells.h5ad');
    // In a process of its own: its memory is not the import's.
    const script = `import { writeSyntheticCells } from ${JSON.stringify(new URL('./support/synthetic-cells.mjs', import.meta.url).href)}; await writeSyntheticCells(${JSON.stringify(file)}, { numCells: ${Number(flags.cells)}, numGenes: ${Number(flags.genes)} });`;
    const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) process.exit(1);
  }
  const out = flags.keep ?? join(folder, 'corpus');
  const [manifest, seconds, cpuSeconds] = await timed(() => buildCorpus([file], { out }));
  const bytesIn = statSync(file).size;
  const bytesOut = manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0);
  print(
    {
      bench: 'import',
      cells: manifest.numCells,
      genes_per_cell: round(manifest.numValues / manifest.numCells),
      value_type: manifest.valueType,
      seconds: round(seconds, 2),
      cpu_seconds: round(cpuSeconds, 2),
      cells_per_s: Math.round(manifest.numCells / seconds),
      mb_in: round(bytesIn / 1e6),
      mb_out: round(bytesOut / 1e6),
      mb_in_per_s: round(bytesIn / 1e6 / seconds),
      peak_rss_mb: round(peakRssMb()),
    },
    flags.json,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
