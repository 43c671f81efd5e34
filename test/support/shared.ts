import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join, resolve } from 'node:path';

/** Development fixtures that stand beside the repository and are not part of it: golden vectors, awkward files, real cells. */
const here = dirname(fileURLToPath(import.meta.url));
export const sharedFolder = resolve(process.env['SCDIVA_SHARED'] ?? join(here, '../../../shared'));
export const hasShared = existsSync(sharedFolder);
if (!hasShared) console.warn(`SKIPPED, out loud: no development fixtures at ${sharedFolder}; the tests that compare against them do not run`);

export const shared = (...parts: string[]): string => join(sharedFolder, ...parts);
