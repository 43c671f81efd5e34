import { join } from 'node:path';
import { cacheFolder } from '../../toolchain/cache-folder.js';
import { napiVersion, tensorflowVersion, tfjsVersion, type Variant } from './release.js';

/** Raised when the layout of a staged folder changes, so that an older one is staged anew and never half understood. */
const LAYOUT = 1;

/** Name of the staged folder: everything the build depends on is in it, so versions live side by side. */
export function stageKey(variant: Variant): string {
  return `tensorflow-${tensorflowVersion}-${variant}-linux-x64-tfjs-${tfjsVersion}-napi-${napiVersion}-layout-${LAYOUT}`;
}

export function stagedFolder(variant: Variant, cache = cacheFolder()): string {
  return join(cache, stageKey(variant));
}
