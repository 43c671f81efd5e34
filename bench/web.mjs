// The page in a browser beside Node: time, size, differences; in 32, 16 and 8 bits.
//   npm run -s bench -- web --checkpoint DIR [--backend wasm] [--weights f32,f16,u8] FILE.h5ad…
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { openCellFile } from '../dist/data/readers/open.js';
import { annotateFile, provenanceOf } from '../dist/inference/annotated-file.js';
import { ScDiVaInference } from '../dist/inference/engine.js';
import { writeWebSite } from '../dist/inference/export/web-site.js';
import { ScDiVa } from '../dist/inference/scdiva.js';
import { serveStatic } from './support/static-server.mjs';

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { checkpoint: { type: 'string' }, backend: { type: 'string' }, weights: { type: 'string', default: 'f32,f16,u8' }, json: { type: 'boolean' } },
});
const folder = mkdtempSync(join(tmpdir(), 'scdiva-web-bench-'));
const rows = [];
try {
  const model = await ScDiVa.fromPretrained(values.checkpoint);
  const engine = new ScDiVaInference({ model });
  const provenance = await provenanceOf(model, 'bench', true);
  for (const file of files) {
    const started = performance.now();
    await annotateFile(engine, { input: file, output: join(folder, basename(file)) }, provenance);
    rows.push({ file: basename(file), where: 'node', seconds: (performance.now() - started) / 1000 });
  }
  for (const weights of values.weights.split(',')) {
    const site = await writeWebSite(model.checkpoint, join(folder, weights), { weights, version: 'bench' });
    const server = await serveStatic(site.out);
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    try {
      const page = await browser.newPage();
      const opened = performance.now();
      await page.goto(`${server.url}${values.backend ? `?backend=${values.backend}` : ''}`);
      await page.waitForFunction(() => document.getElementById('status').textContent.startsWith('Ready'), null, { timeout: 300_000 });
      const readySeconds = (performance.now() - opened) / 1000;
      for (const file of files) {
        const begun = performance.now();
        await page.setInputFiles('#file', file);
        await page.waitForFunction(() => !document.getElementById('cancel').checkVisibility(), null, { timeout: 600_000 });
        const seconds = (performance.now() - begun) / 1000;
        const parts = (await page.textContent('#status'))
          .match(/\(reading ([\d.]+), model ([\d.]+), map ([\d.]+)\)/)
          .slice(1)
          .map(Number);
        const [download] = await Promise.all([page.waitForEvent('download', { timeout: 120_000 }), page.click('#save')]);
        const saved = join(folder, 'saved.h5ad');
        await download.saveAs(saved);
        rows.push({
          file: basename(file),
          where: (await page.textContent('#about')).match(/(WebGPU|WebGL|WebAssembly): within/)[1],
          weights,
          readySeconds,
          seconds,
          readSeconds: parts[0],
          modelSeconds: parts[1],
          mapSeconds: parts[2],
          siteBytes: site.sizeBytes,
          modelBytes: site.modelBytes,
          ...(await compare(saved, join(folder, basename(file)))),
        });
      }
    } finally {
      await browser.close();
      server.close();
    }
  }
  await engine.dispose();
  model.dispose();
} finally {
  rmSync(folder, { recursive: true });
}
console.log(
  values.json
    ? JSON.stringify(rows)
    : rows
        .map((row) =>
          Object.entries(row)
            .map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toPrecision(3)) : value}`)
            .join('  '),
        )
        .join('\n'),
);

/** How a file from the browser differs from Node's. */
async function compare(actual, expected) {
  const [a, b] = [await openCellFile(actual), await openCellFile(expected)];
  const labels = (cells) => {
    const { categories, codes } = cells.obs('scdiva_cell_type');
    return Array.from(codes, (code) => categories[code]);
  };
  const largest = (x, y) => x.reduce((most, value, i) => (Number.isNaN(value) && Number.isNaN(y[i]) ? most : Math.max(most, Math.abs(value - y[i]))), 0);
  const [mine, theirs] = [labels(a), labels(b)];
  const result = {
    numCells: mine.length,
    labelsThatDiffer: mine.filter((label, i) => label !== theirs[i]).length,
    largestLatentDifference: largest(a.embedding('X_scdiva').data, b.embedding('X_scdiva').data),
    largestConfidenceDifference: largest(a.obs('scdiva_confidence').values, b.obs('scdiva_confidence').values),
  };
  a.close();
  b.close();
  return result;
}
