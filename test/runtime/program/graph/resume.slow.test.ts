import { describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasNative } from '../../../support/tensorflow.js';

const script = fileURLToPath(new URL('./train-steps.mjs', import.meta.url));

/** In a process of its own. */
function train(...args: string[]): { losses: number[]; state: string } {
  return JSON.parse(execFileSync(process.execPath, [script, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as {
    losses: number[];
    state: string;
  };
}

describe.runIf(hasNative).each(['f32', 'bf16'])('training as a graph in %s', (precision) => {
  it('continues bit for bit in a fresh process, dropout included', () => {
    const unbroken = train(precision, '0', '10');
    const folder = mkdtempSync(join(tmpdir(), 'resume-'));
    const file = join(folder, 'state.safetensors');
    const firstHalf = train(precision, '0', '5', file);
    const secondHalf = train(precision, '5', '10', file);
    expect([...firstHalf.losses, ...secondHalf.losses]).toEqual(unbroken.losses);
    expect(secondHalf.state).toBe(unbroken.state);
    expect(firstHalf.state).not.toBe(unbroken.state);
    rmSync(folder, { recursive: true });
    expect(unbroken.losses[9]).toBeLessThan(unbroken.losses[0]!);
  });
});
