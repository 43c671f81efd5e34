import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tableText, transpose, writeSmallLoom, writeSmallMtx, writeSmallMuData, writeSmallZarr, type SmallCells } from './small-formats.js';
import { writeSmallH5ad, writeSmallLegacy, writeSmallTenx } from './small-h5ad.js';

/** Writes a file or folder of each format: what test/fixtures/formats/samples holds, and the mutation bench damages. */
export async function writeFormatSamples(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const rows = Array.from({ length: 20 }, (_, cell) =>
    Array.from({ length: 12 }, (_, gene) => ((cell * 7 + gene * 5) % 4 === 0 ? 1 + ((cell * 31 + gene * 17) % 90) : 0)),
  );
  const cells: SmallCells = {
    cellIds: rows.map((_, i) => `AAACCTGA${'ACGT'[i % 4]}C-${i}`),
    geneNames: ['CD3E', 'MS4A1', 'LYZ', 'NKG7', 'ACTB', 'GAPDH', 'B2M', 'PPBP', 'CD8A', 'FTL', 'VIM', 'CD74'],
    rows,
    cellTypes: rows.map((_, i) => ['T cell', 'B cell', 'NK cell'][i % 3]!),
  };
  const { cellIds, geneNames, cellTypes } = cells;
  const obs = { cell_type: cellTypes, size: Float64Array.from(cellIds, (_, i) => i * 100) };
  const at = (name: string) => join(folder, name);
  for (const [name, chunk] of [
    ['plain.h5ad', undefined],
    ['packed.h5ad', 64],
  ] as const) {
    const storage = chunk === undefined ? {} : { chunk };
    await writeSmallH5ad(at(name), {
      cellIds,
      geneNames,
      obs,
      x: { encoding: 'csr', rows, ...storage },
      layers: { csc: { encoding: 'csc', rows, ...storage }, dense: { encoding: 'dense', rows, ...storage } },
    });
  }
  await writeSmallH5ad(at('latest.h5ad'), { cellIds, geneNames, obs, x: { encoding: 'csr', rows, chunk: 64 } }, { libver: 'latest' });
  await writeSmallLegacy(at('legacy.h5ad'));
  await writeSmallTenx(at('tenx.h5'));
  await writeSmallLoom(at('cells.loom'), cells, { chunk: 8 });
  await writeSmallMuData(at('cells.h5mu'), { rna: cells });
  await writeSmallZarr(at('two.zarr'), cells, { version: 2, codec: 'blosc', chunkRows: 16 });
  await writeSmallZarr(at('three.zarr'), cells, { version: 3, codec: 'zstd', chunkRows: 16 });
  writeSmallMtx(at('mtx'), cells, { isPacked: false });
  writeSmallMtx(at('mtx.gz'), cells);
  writeFileSync(at('cells.csv'), tableText(cellIds, geneNames, rows));
  writeFileSync(at('genes.tsv.gz'), gzipSync(tableText(geneNames, cellIds, transpose(rows), { delimiter: '\t' })));
}
