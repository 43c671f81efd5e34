import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../src/data/readers/open.js';
import { separableCells, smallAnnotator } from '../support/annotated-cells.js';
import { expectClose } from '../support/expect-close.js';
import { pythonWith } from '../support/python.js';
import { temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();
const root = resolve(import.meta.dirname, '../..');
const newFolder = temporaryFolder('tutorials');

/** A page with what it takes for granted: its commands are run in order, in a folder of its own. */
const pages = ['fine-tuning.md', 'inference.md', 'tutorials/annotate.md', 'tutorials/integrate.md', 'tutorials/knock-out.md', 'tutorials/python.md'].map(
  (page) => {
    const text = readFileSync(join(root, 'docs', page), 'utf8');
    const commands = [...text.matchAll(/^ {4,}npx scdiva (.*)$/gm)].map((match) => match[1]!.replace(/\s{2,}#.*$/, '').trim());
    const code = (language: string) => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
    return {
      page,
      text,
      commands,
      javascript: code('js'),
      python: code('python'),
      makesAnnotator: commands.some((command) => command.includes('--out runs/annotation')),
    };
  },
);

function run(program: string, args: readonly string[], cwd: string): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(program, args, { cwd, maxBuffer: 1 << 26, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' } }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

describe.runIf(hasNative)('the guides', () => {
  let made: Awaited<ReturnType<typeof smallAnnotator>>;
  const cells = separableCells(1, 160);
  const fresh = separableCells(2, 24);
  beforeAll(async () => {
    made = await smallAnnotator(await newFolder());
  });

  for (const { page, commands, javascript, python, makesAnnotator } of pages)
    describe(page, () => {
      let cwd: string;
      beforeAll(async () => {
        cwd = await newFolder();
        await symlink(join(root, 'configs'), join(cwd, 'configs'));
        await mkdir(join(cwd, 'runs'));
        await cp(made.pretrained, join(cwd, 'runs/pretrain'), { recursive: true });
        if (!makesAnnotator) await cp(made.annotator, join(cwd, 'runs/annotation'), { recursive: true });
        await writeSmallH5ad(join(cwd, 'cells.h5ad'), { ...cells, obs: { ...cells.obs, donor: cells.cellIds.map((_, i) => `D${i % 3}`) } });
        await writeSmallH5ad(join(cwd, 'new.h5ad'), { ...fresh, obs: {} });
      });

      it('has commands', () => expect(commands.length).toBeGreaterThan(0));

      it.each(commands)('runs, in order: scdiva %s', async (command) => {
        const { code, stderr } = await run(process.execPath, [join(root, 'bin/scdiva.js'), ...command.split(/\s+/)], cwd);
        expect(code, stderr).toBe(0);
      });

      it.runIf(javascript)('runs its program', async () => {
        await writeFile(join(cwd, 'program.mjs'), javascript!.replace("'scdiva'", `'${pathToFileURL(join(root, 'dist/index.js')).href}'`));
        const { code, stdout, stderr } = await run(process.execPath, ['program.mjs'], cwd);
        expect(code, stderr).toBe(0);
        expect(stdout).toContain('[ 2, 16 ]');
      });

      it.runIf(python && pythonWith('tensorflow') && pythonWith('anndata'))('runs its script, which labels and embeds as the verb does, to 1e-5', async () => {
        await writeFile(join(cwd, 'annotate.py'), python!);
        const found = await run(pythonWith('tensorflow')!, ['annotate.py', 'served/1', 'new.h5ad', 'python.h5ad'], cwd);
        expect(found.code, found.stderr).toBe(0);
        await run(process.execPath, [join(root, 'bin/scdiva.js'), 'annotate', 'new.h5ad', '--checkpoint', 'runs/annotation', '--out', 'node.h5ad'], cwd);
        const [theirs, ours] = [await openCellFile(join(cwd, 'python.h5ad')), await openCellFile(join(cwd, 'node.h5ad'))];
        expect(words(theirs.obs('scdiva_cell_type'))).toEqual(words(ours.obs('scdiva_cell_type')));
        expectClose(theirs.embedding!('X_scdiva').data, ours.embedding!('X_scdiva').data, { atol: 1e-5 });
        theirs.close();
        ours.close();
      });
    });

  it('link to files that are there', () => {
    for (const { page, text } of pages)
      for (const [, link] of text.matchAll(/\]\(([^)#:\s]+\.md)(?:#[^)]*)?\)/g))
        expect(() => readFileSync(join(root, 'docs', page, '..', link!)), `${page}: ${link!}`).not.toThrow();
  });
});

function words(column: ReturnType<Awaited<ReturnType<typeof openCellFile>>['obs']>): readonly unknown[] {
  return column.kind === 'categorical' ? Array.from(column.codes, (code) => column.categories[code]) : [...(column.values as Iterable<unknown>)];
}
