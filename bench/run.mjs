// npm run bench -- NAME [options]: runs bench/NAME.mjs on the compiled code in dist/ (npm run build first).
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const [name, ...options] = process.argv.slice(2);
const benches = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs')
  .map((file) => file.slice(0, -4));

if (!name || !benches.includes(name)) {
  console.error(`usage: npm run bench -- ${benches.join('|')} [options]`);
  process.exit(2);
}
if (!existsSync(join(folder, '../dist/index.js'))) {
  console.error('dist/ is missing: run npm run build first');
  process.exit(2);
}
process.argv = [process.argv[0], join(folder, `${name}.mjs`), ...options];
await import(pathToFileURL(process.argv[1]).href);
