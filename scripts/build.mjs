import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runNode, SetupFailure } from './run.mjs';
import { buildWasm, wasmSources } from './build-wasm.mjs';
import { buildWeb, webSources } from './build-web.mjs';

/** Names of the sources dist/ was made from; its own time is the time of that build. */
const STAMP = join(root, 'dist/.sources');

/** Compiles src/ to dist/ unless dist/ is newer than every source and made from the same ones. */
export async function buildSources(say) {
  const sources = readdirSync(join(root, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .sort();
  const names = sources.join('\n');
  const stamp = existsSync(STAMP) ? readFileSync(STAMP, 'utf8') : null;
  const inputs = [...sources.map((name) => join('src', name)), ...wasmSources(), ...webSources(), 'asconfig.json', 'tsconfig.json', 'package-lock.json'];
  const newest = Math.max(...inputs.map((path) => statSync(join(root, path)).mtimeMs));
  if (stamp === names && statSync(STAMP).mtimeMs >= newest) return;
  say('compiling');
  // What a deleted source left behind would still be found by an import.
  if (stamp !== names) rmSync(join(root, 'dist'), { recursive: true, force: true });
  const { code } = await runNode(['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
  if (code !== 0 || !(await buildWasm()) || !(await buildWeb())) throw new SetupFailure('scdiva: the sources do not compile (see above)', 1);
  writeFileSync(STAMP, names);
}
