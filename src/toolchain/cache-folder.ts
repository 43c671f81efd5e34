import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where downloads, and what was compiled, outlive a clone: SCDIVA_CACHE itself, else `scdiva` in the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env['SCDIVA_CACHE']) return resolve(env['SCDIVA_CACHE']);
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'scdiva');
}
