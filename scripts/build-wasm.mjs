#!/usr/bin/env node
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, runNode } from './run.mjs';

/** The AssemblyScript sources; each is compiled as the target of asconfig.json that has its name. */
export function wasmSources() {
  return readdirSync(join(root, 'wasm'))
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => `wasm/${name}`);
}

/** Compiles wasm/ into dist/, beside the code that loads it. @returns whether all of it compiled */
export async function buildWasm() {
  for (const source of wasmSources()) {
    const { code } = await runNode(['node_modules/assemblyscript/bin/asc.js', source, '--target', basename(source, '.ts')]);
    if (code !== 0) return false;
  }
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = (await buildWasm()) ? 0 : 1;
