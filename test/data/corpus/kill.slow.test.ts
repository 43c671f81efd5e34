import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('kill');
const bin = fileURLToPath(new URL('../../../bin/scdiva.js', import.meta.url));
const killer = new URL('../../support/kill-at.mjs', import.meta.url).href;

async function folderBytes(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(
        async (name) =>
          [
            name,
            createHash('sha256')
              .update(await readFile(join(folder, name)))
              .digest('hex'),
          ] as const,
      ),
    ),
  );
}

function runKilled(args: readonly string[], moment: number): Promise<NodeJS.Signals | number | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', killer, bin, ...args], { env: { ...process.env, KILL_AT: String(moment) }, stdio: 'ignore' });
    child.on('exit', (code, signal) => resolve(signal ?? code));
  });
}

describe('a build that is killed', () => {
  it('at any moment of writing, continues to the bytes of an unbroken one and is never taken for a finished corpus', async () => {
    const folder = await newFolder();
    const file = join(folder, 'cells.h5ad');
    await writeSmallH5ad(file, randomCells(5, 90, 30));
    const [unbroken, out] = [join(folder, 'unbroken'), join(folder, 'out')];
    const options = { shardCells: 30, label: 'cell_type', minGenes: 6, dropDuplicates: true };
    await buildCorpus([file], { out: unbroken, ...options });
    const expected = await folderBytes(unbroken);
    const args = ['data', 'build', file, '--out', out, '--shard-cells', '30', '--label', 'cell_type', '--min-genes', '6', '--drop-duplicates', '--json'];
    let numKilled = 0;
    for (let moment = 1; ; moment++) {
      const ended = await runKilled(args, moment);
      if (ended === 0) break;
      expect(ended).toBe('SIGKILL');
      numKilled++;
      const left = await readdir(out).catch((): string[] => []);
      if (!left.includes('corpus.json')) await expect(openCorpus(out)).rejects.toThrow(/no corpus\.json: not a corpus, or its build did not finish/);
      await buildCorpus([file], { out, ...options });
      expect(await folderBytes(out), `killed at moment ${moment}, which left ${left.join(', ')}`).toEqual(expected);
      await rm(out, { recursive: true });
    }
    expect(await folderBytes(out)).toEqual(expected);
    // The journal, three shards, the gene table and the manifest, each half written, before and after its rename.
    expect(numKilled).toBeGreaterThan(20);
  });
});
