#!/usr/bin/env node
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './run.mjs';

const web = join(root, 'src/web');
const out = join(root, 'dist/web');

/** What Node brings along, and modules that a page has in another form. */
const NODE_MODULES = {
  fs: 'fs',
  'fs/promises': 'fs-promises',
  path: 'path',
  crypto: 'crypto',
  os: 'os',
  url: 'absent',
  zlib: 'absent',
  util: 'absent',
  worker_threads: 'absent',
};
const IN_PLACE_OF = { 'src/data/readers/open': 'open', 'src/data/readers/hdf5-library': 'hdf5-library' };

const inPages = {
  name: 'in-pages',
  setup(builder) {
    builder.onResolve({ filter: /^node:/ }, ({ path }) => {
      const module = NODE_MODULES[path.slice('node:'.length)];
      return module && { path: join(web, 'node', `${module}.ts`) };
    });
    builder.onResolve({ filter: /^wasm-loops\// }, ({ path }) => ({ path: join(root, 'dist/data/loader', path.slice('wasm-loops/'.length)) }));
    builder.onResolve({ filter: /^h5wasm\/node$/ }, ({ resolveDir }) => builder.resolve('h5wasm', { resolveDir, kind: 'import-statement' }));
    builder.onResolve({ filter: /\/(open|hdf5-library)\.js$/ }, ({ path, resolveDir }) => {
      const asked = join(resolveDir, path.replace(/\.js$/, ''));
      const mine = Object.entries(IN_PLACE_OF).find(([module]) => asked === join(root, module));
      return mine && { path: join(web, `${mine[1]}.ts`) };
    });
  },
};

/** Files of src/web that are no modules. */
export const webSources = () =>
  readdirSync(web)
    .filter((name) => /\.(html|css|json)$/.test(name))
    .map((name) => `src/web/${name}`)
    .concat('scripts/build-web.mjs');

/** Bundles src/web into dist/web: the page without a model, which `scdiva web` copies. @returns whether it could be built */
export async function buildWeb() {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  // Not at the top: setup imports this file before any package is there.
  const { build } = await import('esbuild');
  try {
    await build({
      entryPoints: { page: join(web, 'page/page.ts'), worker: join(web, 'worker/worker.ts') },
      outdir: out,
      bundle: true,
      splitting: true,
      minify: true,
      charset: 'utf8',
      format: 'esm',
      platform: 'browser',
      target: 'es2023',
      loader: { '.wasm': 'binary' },
      define: { global: 'globalThis' },
      inject: [join(web, 'node/buffer-global.ts')],
      plugins: [inPages],
      legalComments: 'linked',
      logLevel: 'warning',
      tsconfig: join(web, 'tsconfig.json'),
    });
  } catch {
    return false; // esbuild has said why
  }
  const require = createRequire(import.meta.url);
  const folderOf = (module) => dirname(require.resolve(module));
  const wasm = folderOf('@tensorflow/tfjs-backend-wasm/package.json');
  for (const name of readdirSync(join(wasm, 'dist')).filter((name) => name.endsWith('.wasm'))) cpSync(join(wasm, 'dist', name), join(out, name));
  const plugins = join(root, 'node_modules/h5wasm-plugins/plugins');
  mkdirSync(join(out, 'plugins'));
  for (const name of ['bz2', 'lzf', 'blosc', 'lz4', 'bshuf', 'zstd', 'blosc2'].map((name) => `libH5Z${name}.so`))
    cpSync(join(plugins, name), join(out, 'plugins', name));
  const { LIGHT_COLOURS, DARK_COLOURS } = await import(pathToFileURL(join(root, 'dist/report/style.js')).href);
  writeFileSync(
    join(out, 'style.css'),
    `:root{color-scheme:light dark;${LIGHT_COLOURS}}\n@media(prefers-color-scheme:dark){:root{${DARK_COLOURS}}}\n${readFileSync(join(web, 'page.css'), 'utf8')}`,
  );
  cpSync(join(web, 'index.html'), join(out, 'index.html'));
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = (await buildWeb()) ? 0 : 1;
