import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { napiVersion, tensorflowVersion, tfjsVersion, type Variant } from './release.js';

/** Where downloads outlive a clone: SCDIVA_CACHE itself, else `scdiva` in the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env['SCDIVA_CACHE']) return resolve(env['SCDIVA_CACHE']);
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'scdiva');
}

/** Raised when the layout of a staged folder changes, so that an older one is staged anew and never half understood. */
const LAYOUT = 1;

/** Name of the staged folder: everything the build depends on is in it, so versions live side by side. */
export function stageKey(variant: Variant): string {
  return `tensorflow-${tensorflowVersion}-${variant}-linux-x64-tfjs-${tfjsVersion}-napi-${napiVersion}-layout-${LAYOUT}`;
}

export function stagedFolder(variant: Variant, cache = cacheFolder()): string {
  return join(cache, stageKey(variant));
}
