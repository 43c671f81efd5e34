import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a folder is a Zarr group, of version 2 or 3. */
export function isZarrFolder(path: string): boolean {
  return existsSync(join(path, '.zgroup')) || existsSync(join(path, 'zarr.json'));
}
