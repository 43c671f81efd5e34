import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const fixture = file('test/fixtures/parity-small');
const run = (...args: string[]) => spawnSync(process.execPath, [file('bin/scdiva.js'), 'verify', ...args], { encoding: 'utf8' });

describe('scdiva verify', () => {
  it('prints every tensor’s deviation and ends with 0 where they agree', () => {
    const { status, stdout } = run(fixture);
    expect(stdout).toMatch(/^cell_embedding +\d\.\d\de-\d/m);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^\d+ tensors agree$/);
    expect(status).toBe(0);
  });

  it('ends with 1 past the tolerance, and says so under --json', () => {
    const { status, stdout } = run(fixture, '--tolerance', '1e-12', '--json');
    const { ok, maxDeviation } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { ok: boolean; maxDeviation: Record<string, number> };
    expect(ok).toBe(false);
    expect(maxDeviation['gene_logits']).toBeGreaterThan(1e-12);
    expect(maxDeviation['grad.gene_head.weight']).toBeLessThan(1e-4);
    expect(status).toBe(1);
  });

  it('ends with 2 and one line on stderr for a folder that is no checkpoint', () => {
    const { status, stderr } = run(file('test'));
    expect(stderr).toMatch(/^scdiva: .*test\/config\.json: no such file \(name a checkpoint folder\)\n$/);
    expect(status).toBe(2);
  });
});
