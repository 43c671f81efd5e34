import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where models come from and where they are kept. */
export interface HubSettings {
  /** Undefined: the hub library's own default. */
  readonly endpoint: string | undefined;
  readonly token: string | undefined;
  readonly cacheFolder: string;
  /** Nothing is asked of the network: what is not in the cache is an error. */
  readonly isOffline: boolean;
}

/**
 * From the environment, by the names other tools of the hub use: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE; and SCDIVA_HUB_CACHE, a folder of its
 * own, where models shall not lie under the user's cache folder.
 */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const cache = env['SCDIVA_HUB_CACHE'] || join(env['SCDIVA_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'scdiva'), 'hub');
  return {
    endpoint: env['HF_ENDPOINT']?.replace(/\/+$/, '') || undefined,
    token: env['HF_TOKEN'] || undefined,
    cacheFolder: resolve(cache),
    isOffline: /^(1|true|yes|on)$/i.test(env['HF_HUB_OFFLINE'] ?? ''),
  };
}
