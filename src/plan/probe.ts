import { fileURLToPath } from 'node:url';
import { ScDivaError } from '../errors.js';
import { runCommand } from '../toolchain/command.js';
import type { ProbeResult, ProbeSpec } from './probe-spec.js';

/** An attempt came to nothing. */
export class ProbeError extends ScDivaError {
  override readonly exitCode = 1;
}

/**
 * Tries a training out in a process of its own, so that what it measures of memory is the training's alone, and an attempt that
 * takes too much of it ends that process and not this one.
 * @throws ProbeError where the attempt failed, with the reason it gave; InterruptedError after the signal
 */
export async function runProbe(spec: ProbeSpec, signal?: AbortSignal): Promise<ProbeResult> {
  const script = fileURLToPath(new URL('./probe-process.js', import.meta.url));
  const { code, stdout, stderr } = await runCommand(process.execPath, [script, JSON.stringify(spec)], { signal });
  if (code === 0) return JSON.parse(stdout.trim().split('\n').at(-1)!) as ProbeResult;
  const key = `${spec.numCells} cells at once`;
  if (code === null) throw new ProbeError({ key, found: 'the system ended the attempt, as it does when memory runs out' });
  const lines = stderr.split('\n').map((line) => line.trim());
  throw new ProbeError({
    key,
    found: `the attempt failed: ${lines.find((line) => /^\w*Error: /.test(line)) ?? lines.findLast(Boolean) ?? `exit code ${code}`}`,
  });
}
