import { describe, expect, it, beforeAll } from 'vitest';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { randomCells, temporaryFolder } from './support/small-corpus.js';
import { writeSmallH5ad } from './support/small-h5ad.js';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The README's command lines: code lines that begin with `npx scdiva`, comments cut off, examples with CAPITALS left out. */
const commands = [...readme.matchAll(/^ {4}npx scdiva (.*)$/gm)].map((match) => match[1]!.replace(/\s{2,}#.*$/, '').trim());
const usable = commands.filter((command) => !command.startsWith('setup') && !/\b[A-Z]{3,}\b/.test(command));
const folder = temporaryFolder('readme');

describe('the README', () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await folder();
    await symlink(join(root, 'configs'), join(cwd, 'configs'));
    await writeSmallH5ad(join(cwd, 'cells.h5ad'), randomCells(1, 120, 60));
    await writeSmallH5ad(join(cwd, 'new.h5ad'), randomCells(2, 20, 60));
  });

  it('names the two commands a newcomer types', () => {
    expect(readme).toContain('npm run quickstart');
    expect(readme).toContain('npm test');
  });

  it('shows the way from a file to labels', () => {
    expect(usable.map((command) => command.split(' ')[0])).toEqual(
      expect.arrayContaining(['doctor', 'data', 'pretrain', 'finetune', 'evaluate', 'annotate', 'embed', 'generate']),
    );
  });

  it.each(usable)('runs: scdiva %s', async (command) => {
    const run = promisify(execFile)(process.execPath, [join(root, 'bin/scdiva.js'), ...command.split(/\s+/)], { cwd, maxBuffer: 1 << 26 });
    await expect(run).resolves.toBeDefined();
  });

  it('links to files that are there', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) expect(() => readFileSync(join(root, link)), link).not.toThrow(/ENOENT/);
  });
});
