import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { separableCells, smallAnnotator } from '../support/annotated-cells.js';
import { randomCells, temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';
import { useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();
const root = resolve(import.meta.dirname, '../..');
const guide = readFileSync(join(root, 'docs/corpora.md'), 'utf8');
const commands = [...guide.matchAll(/^ {4}npx scdiva (.*)$/gm)].map((match) => match[1]!.replace(/\s{2,}#.*$/, '').trim());
/** Downloads two packages. */
const NEEDS_NETWORK = 'data genes --out human-genes.tsv';
const newFolder = temporaryFolder('docs');

describe('docs/corpora.md', () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await newFolder();
    const [pbmc, kang] = [randomCells(1, 60, 40), randomCells(2, 60, 40)];
    await writeSmallH5ad(join(cwd, 'pbmc.h5ad'), pbmc);
    await writeSmallH5ad(join(cwd, 'kang.h5ad'), { ...kang, cellIds: kang.cellIds.map((id) => `kang-${id}`) });
    await writeSmallH5ad(join(cwd, 'new.h5ad'), randomCells(3, 30, 40));
    await writeSmallH5ad(join(cwd, 'eval.h5ad'), {
      ...pbmc,
      x: { encoding: 'csr', rows: [...pbmc.x!.rows.slice(0, 10), ...randomCells(4, 10, 40).x!.rows] },
      cellIds: pbmc.cellIds.slice(0, 20),
      obs: {},
    });
    const logarithms = randomCells(5, 30, 40).x!.rows.map((row) => row.map((value) => Math.log1p((1e4 * value) / row.reduce((a, b) => a + b))));
    await writeSmallH5ad(join(cwd, 'lognorm.h5ad'), { ...randomCells(5, 30, 40), x: { encoding: 'csr', rows: logarithms } });
    const table = `symbol\tensembl_gene_id\talias_symbol\n${pbmc.geneNames.map((name, g) => `${name}\tENSG${String(g).padStart(11, '0')}\tOLD${g}\n`).join('')}`;
    await writeFile(join(cwd, 'my-genes.tsv'), table);
    await writeFile(join(cwd, 'human-genes.tsv'), table);
    const human = separableCells(6, 30);
    const mouseNames = human.geneNames.map((_, gene) => `Mouse${gene}a`);
    await writeSmallH5ad(join(cwd, 'human.h5ad'), human);
    await writeSmallH5ad(join(cwd, 'mouse.h5ad'), { ...separableCells(7, 30), geneNames: mouseNames });
    await writeFile(
      join(cwd, 'human2mouse.csv'),
      ['human_symbol,mouse_symbol', ...human.geneNames.map((name, gene) => `${name},${mouseNames[gene]!}`), ''].join('\n'),
    );
    await rename((await smallAnnotator(await newFolder())).annotator, join(cwd, 'model'));
  });

  it('shows every verb of data', () => {
    expect([...new Set(commands.filter((command) => command.startsWith('data ')).map((command) => command.split(' ')[1]))].sort()).toEqual([
      'build',
      'genes',
      'inspect',
      'merge',
      'overlap',
      'stats',
      'verify',
      'vocabulary',
    ]);
    expect(commands).toContain(NEEDS_NETWORK);
  });

  it.each(commands.filter((command) => command !== NEEDS_NETWORK))('runs, in order: scdiva %s', async (command) => {
    const found = await new Promise<{ code: number; stderr: string }>((done) => {
      execFile(process.execPath, [join(root, 'bin/scdiva.js'), ...command.split(/\s+/)], { cwd, maxBuffer: 1 << 26 }, (error, _, stderr) =>
        done({ code: error ? Number(error.code) : 0, stderr }),
      );
    });
    // The evaluation file shares ten cells with the corpus.
    expect(found.code, found.stderr).toBe(command.startsWith('data overlap') ? 3 : 0);
  });
});
