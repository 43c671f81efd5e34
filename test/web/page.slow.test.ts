import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_FLAGS, chromiumPath } from '../support/chromium.js';
import { headedCheckpoint } from '../support/headed-checkpoint.js';
import { randomCells, temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';
import { serveFolder } from '../support/static-server.js';
import { hasNative, useTensorFlow } from '../support/tensorflow.js';
import { openCellFile } from '../../src/data/readers/open.js';
import type { CellFile } from '../../src/data/readers/reader.js';
import { annotateFile, provenanceOf } from '../../src/inference/annotated-file.js';
import { ScDiVaInference } from '../../src/inference/engine.js';
import { writeWebSite } from '../../src/inference/export/web-site.js';
import { ScDiVa } from '../../src/inference/scdiva.js';
import { openCheckpoint } from '../../src/train/checkpoint.js';

useTensorFlow();
const newFolder = temporaryFolder('page');
const NUM_CELLS = 60;

describe.runIf(hasNative && chromiumPath)('the page in a browser', () => {
  let folder: string;
  let server: Awaited<ReturnType<typeof serveFolder>>;
  let other: typeof server;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    folder = await newFolder();
    const checkpoint = await headedCheckpoint(folder);
    await writeWebSite(await openCheckpoint(checkpoint), join(folder, 'site'), { weights: 'f32', version: 'test' });
    // One file whose matrix lies by columns, one by rows.
    const { x, ...rest } = randomCells(3, NUM_CELLS, 40);
    for (const encoding of ['csc', 'csr'] as const) await writeSmallH5ad(join(folder, `${encoding}.h5ad`), { ...rest, x: { ...x!, encoding } });
    const model = await ScDiVa.fromPretrained(checkpoint);
    const engine = new ScDiVaInference({ model });
    await annotateFile(engine, { input: join(folder, 'csc.h5ad'), output: join(folder, 'node.h5ad') }, await provenanceOf(model, 'test', true));
    await engine.dispose();
    model.dispose();
    [server, other] = [await serveFolder(join(folder, 'site')), await serveFolder(folder)];
    browser = await chromium.launch({ executablePath: chromiumPath!, args: CHROMIUM_FLAGS });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(server.url);
    await page.waitForFunction(() => document.getElementById('status')!.textContent!.startsWith('Ready'), null, { timeout: 120_000 });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    other?.close();
  });

  const upload = async (file: string): Promise<void> => {
    await page.setInputFiles('#file', file);
    await page.waitForFunction(() => !document.getElementById('cancel')!.checkVisibility(), null, { timeout: 120_000 });
  };
  const text = async (id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? '';

  it('says what computes, and that it computes what Node does', async () => {
    expect(await text('status')).toMatch(/^Ready: the model runs by (WebAssembly|WebGL|WebGPU)\.$/);
    expect(await text('about')).toMatch(/within \de-\d+ of the machine that made this page/);
  });

  it('annotates a file as Node does, and sends nothing', async () => {
    const before = server.asked.length;
    await upload(join(folder, 'csc.h5ad'));
    expect(await text('error')).toBe('');
    expect(await text('result-heading')).toContain(`${NUM_CELLS} cells of csc.h5ad`);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
    expect(download.suggestedFilename()).toBe('csc.annotated.h5ad');
    const saved = join(folder, 'saved.h5ad');
    await download.saveAs(saved);
    expect(server.asked.slice(before)).toEqual([]);

    const [mine, theirs] = [await openCellFile(saved), await openCellFile(join(folder, 'node.h5ad'))];
    const labels = (file: CellFile) => file.obs('scdiva_cell_type');
    const numbers = (file: CellFile) => [...file.embedding!('X_scdiva').data, ...(file.obs('scdiva_confidence') as { values: Float64Array }).values];
    expect(labels(mine)).toEqual(labels(theirs));
    const [actual, expected] = [numbers(mine), numbers(theirs)];
    expect(actual.length).toBe(NUM_CELLS * 13);
    expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-4);
    expect(mine.obsKeys).toEqual(theirs.obsKeys);
    expect(mine.cellIds).toEqual(theirs.cellIds);
    mine.close();
    theirs.close();
  });

  it('cannot send anything elsewhere: neither the page nor the thread that has the cells', async () => {
    const refused = (url: string) =>
      fetch(url, { method: 'POST', mode: 'no-cors', body: 'cells' }).then(
        () => 'sent',
        () => 'refused',
      );
    expect(await page.evaluate(refused, other.url)).toBe('refused');
    expect(page.workers().length).toBe(1);
    expect(await page.workers()[0]!.evaluate(refused, other.url)).toBe('refused');
    expect(other.asked).toEqual([]);
  });

  it('draws a map, a table of labels that keys can use, and the expression of a gene', async () => {
    const numDrawn = () =>
      page.evaluate(() => {
        const canvas = document.getElementById('map') as HTMLCanvasElement;
        return canvas
          .getContext('2d')!
          .getImageData(0, 0, canvas.width, canvas.height)
          .data.filter((value, i) => i % 4 === 3 && value > 100).length;
      });
    const all = await numDrawn();
    expect(all).toBeGreaterThan(NUM_CELLS);
    const rows = await page.locator('#key tbody tr').count();
    expect(rows).toBeGreaterThan(0);
    await page.locator('#key button').last().focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('#key button').last().getAttribute('aria-pressed')).toBe('true');

    await page.fill('#gene', 'gene7');
    await page.keyboard.press('Tab');
    await page.waitForFunction(() => document.getElementById('gene-message')!.textContent!.includes('cells.'));
    const { x, geneNames } = randomCells(3, NUM_CELLS, 40);
    const column = geneNames.indexOf('GENE7');
    expect(await text('gene-message')).toBe(`GENE7: in ${x!.rows.filter((row) => row[column]! > 0).length} of ${NUM_CELLS} cells.`);
    await page.fill('#gene', 'NOSUCH');
    await page.keyboard.press('Tab');
    expect(await text('gene-message')).toMatch(/^NOSUCH is not among/);
    expect((await page.screenshot({ fullPage: true })).length).toBeGreaterThan(10_000);
    expect(problems).toEqual([]);
  });

  it('says in one sentence what is wrong with a file, and goes on with the next', async () => {
    const [text_, big] = [join(folder, 'text.h5ad'), join(folder, 'big.h5ad')];
    writeFileSync(text_, 'cells, but not in HDF5\n');
    writeFileSync(big, '');
    truncateSync(big, 5 * 2 ** 30);
    await upload(text_);
    expect(await text('error')).toMatch(/^text\.h5ad: is not an HDF5 file \(it starts with 'cells, but not i'\)/);
    await upload(big);
    expect(await text('error')).toMatch(/^big\.h5ad: is 5\.0 GB, and a page here can hold \d\.\d GB \(use scdiva annotate/);
    await upload(join(folder, 'csr.h5ad'));
    expect(await page.isVisible('#error')).toBe(false);
    expect(await text('result-heading')).toContain('csr.h5ad');
  });
});
