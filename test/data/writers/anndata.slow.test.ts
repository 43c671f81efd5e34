import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { writeAnnotatedH5ad, type Annotations } from '../../../src/data/writers/h5ad.js';
import { pythonWith } from '../../support/python.js';
import { shared } from '../../support/shared.js';

const python = pythonWith('anndata');

const script = fileURLToPath(new URL('read-with-anndata.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scdiva-anndata-'));
afterAll(() => rmSync(folder, { recursive: true }));

const stored = fileURLToPath(new URL('../../fixtures/h5ad-storage', import.meta.url));
const folders = [stored, shared('h5ad-zoo'), shared('data/realfiles'), shared('data/pbmc68k_reduced'), shared('data/pbmc3k')].filter(existsSync);
const unreadable = /^5\d_/;
const files = folders.flatMap((at) =>
  readdirSync(at)
    .filter((name) => /\.h5(ad)?$/.test(name) && !unreadable.test(name))
    .map((name) => ({ name, path: join(at, name) })),
);

describe.runIf(python)("Python's anndata", () => {
  // Python takes seconds to start: one process looks at all the files.
  let found: string[][] = [];
  beforeAll(async () => {
    const pairs: [string, string][] = [];
    for (const [i, { path }] of files.entries()) {
      const cells = await openCellFile(path);
      const { numCells } = cells;
      cells.close();
      const [first, again] = [join(folder, `${i}-first.h5ad`), join(folder, `${i}-again.h5ad`)];
      await writeAnnotatedH5ad({ input: path, output: first, ...annotate(numCells, 'first') });
      await writeAnnotatedH5ad({ input: first, output: again, ...annotate(numCells, 'again') });
      pairs.push([path, again]);
    }
    const { status, stdout, stderr } = spawnSync(python!, [script], { input: JSON.stringify(pairs), encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    found = JSON.parse(stdout) as string[][];
  }, 300_000);

  it.each(files.map(({ name }, i) => ({ name, i })))('finds in twice annotated $name all that was there, and what was added last', ({ i }) => {
    expect(found[i]).toEqual([]);
  });
});

/** The first time something else than the second: whatever is left of it is a difference. */
function annotate(numCells: number, round: 'first' | 'again'): Annotations {
  const isFirst = round === 'first';
  const dims = isFirst ? 3 : 5;
  return {
    obs: {
      scdiva_cell_type: {
        kind: 'categorical',
        categories: isFirst ? ['x'] : ['B', 'T', 'unknown'],
        codes: Int32Array.from({ length: numCells }, (_, i) => (isFirst ? 0 : (i % 4) - 1)),
      },
      scdiva_confidence: { kind: 'numeric', values: new Float32Array(numCells).fill(0.5) },
    },
    obsm: { X_scdiva: { values: Float32Array.from({ length: numCells * dims }, (_, i) => i), numDims: dims } },
    uns: { scdiva: isFirst ? { stale: 1 } : { version: '0.1', seed: 7, rate: 0.5, labels: ['B', 'T'], none: [], deep: { er: Float32Array.of(1, 2) } } },
  };
}
