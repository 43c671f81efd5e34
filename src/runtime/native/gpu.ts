import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DRIVER = '/proc/driver/nvidia';

/** Is an NVIDIA kernel driver loaded (or, as on WSL, its paravirtual device there)? */
export function hasNvidiaDriver(): boolean {
  return existsSync(join(DRIVER, 'version')) || existsSync('/dev/dxg');
}

/** Model names of the NVIDIA GPUs the driver lists: `NVIDIA H100 80GB HBM3`. */
export function nvidiaGpus(driver = DRIVER): string[] {
  const folder = join(driver, 'gpus');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((id) => /^Model:\s*(.+)$/m.exec(readFileSync(join(folder, id, 'information'), 'utf8'))?.[1]?.trim() ?? id);
}
