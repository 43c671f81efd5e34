import { readFileSync } from 'node:fs';

/** The most memory this process ever held, MB. */
export const peakRssMb = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024;

/** @returns [result, seconds, processor seconds of all threads]: on a busy machine the last says more */
export async function timed(work) {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [result, (performance.now() - start) / 1000, (user + system) / 1e6];
}

export const round = (value, digits = 1) => Number(value.toFixed(digits));

/** One JSON line for machines, a table of the same for people. */
export function print(result, isJson) {
  if (isJson) console.log(JSON.stringify(result));
  else for (const [key, value] of Object.entries(result)) console.log(`${key.padEnd(24)} ${typeof value === 'number' ? value.toLocaleString('en-US') : value}`);
}
