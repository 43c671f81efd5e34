import { describe, expect, it } from 'vitest';
import { renderReport } from '../../src/report/page.js';
import { exampleReport } from './example-report.js';

const page = await renderReport(exampleReport(120));

describe('renderReport', () => {
  it('stands alone: no address, no script, no style sheet or font from elsewhere', () => {
    expect(page).not.toMatch(/https?:|\/\/[a-z]|<script|<link|@import|url\((?!#)|<iframe|<img/i);
  });

  it('escapes labels everywhere, drawings included', () => {
    expect(page).not.toContain('<"myeloid">');
    expect(page).not.toMatch(/> & friends/);
    expect(page).toContain('Dendritic &lt;&quot;myeloid&quot;&gt; &amp; friends');
  });

  it('shows every score of every method, with its spread', () => {
    for (const text of ['0.714 ± 0.017', '0.641 ± 0.011', '0.742', '0.655', '0.051', '0.829', '0.061']) expect(page, text).toContain(text);
  });

  it('shows every count of the confusion matrix and every class score', () => {
    const { classes } = exampleReport(120);
    const drawing = /aria-labelledby="confusion-title".*?<\/svg>/s.exec(page)![0];
    const shown = [...drawing.matchAll(/<text[^>]*>(\d+)<\/text>/g)].map(([, count]) => Number(count));
    const columns = classes!.classes.map((_, i) => i + 1);
    expect(shown.sort((a, b) => a - b)).toEqual([...columns, ...classes!.confusion.flat().filter((count) => count > 0)].sort((a, b) => a - b));
    for (const { precision, recall, f1 } of classes!.scores) for (const value of [precision, recall, f1]) expect(page).toContain(value.toFixed(3));
  });

  it('shows the data card, the model card and the manifest', () => {
    for (const text of [
      'e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f',
      '521 344',
      'scdiva quickstart --out runs/quickstart --seed 7',
      '2025-01-01T10:00:00.000Z',
      'reused',
    ])
      expect(page).toContain(text);
  });

  it('gives every drawing a title and a description, and every table headers', () => {
    const drawings = page.match(/<svg .*?<\/svg>/gs)!;
    expect(drawings).toHaveLength(7);
    for (const drawing of drawings)
      expect(drawing).toMatch(
        /^<svg [^>]*role="img" aria-labelledby="([\w-]+)-title" aria-describedby="\1-description"><title id="\1-title">.+<\/title><desc id="\1-description">.+<\/desc>/,
      );
    for (const table of page.match(/<table>.*?<\/table>/gs)!) expect(table).toMatch(/<caption>.+<th scope="col".+<th scope="row"/s);
  });

  it('uses no id twice and no link without a target', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/(?:href="|url\()#([^")]+)/g)) expect(ids).toContain(target);
  });

  it('is a function of its data', async () => {
    expect(await renderReport(exampleReport(120))).toBe(page);
  });

  it('leaves out what a run does not have', async () => {
    const { title, training, manifest } = exampleReport(10);
    const small = await renderReport({ title, training, manifest, notes: [] });
    expect(small).toContain('id="training"');
    expect(small).not.toMatch(/id="(?:summary|scores|classes|map|data|model)"/);
  });
});
