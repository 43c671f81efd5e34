import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { loadParameters } from '../../../src/model/load-weights.js';
import { readReleaseConfig } from '../../../src/model/release-config.js';
import { readSafetensors } from '../../../src/model/safetensors.js';
import { HubServer } from '../../support/hub-server.js';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
let folder: string;
let release: string;
let genes: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scdiva-verbs-'));
  release = join(folder, 'release');
  genes = join(folder, 'genes.json');
  await cp(join(fixtures, 'parity-small/config.json'), join(release, 'config.json'));
  await cp(join(fixtures, 'pytorch/nested.pt'), join(release, 'model.pt'));
  await writeFile(genes, JSON.stringify(Array.from({ length: 32 }, (_, i) => `GENE${i}`)));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
  process.exitCode = 0;
});

/** Runs a command line in this process. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true)),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true)),
  ];
  try {
    return { code: await main(args), out, err };
  } finally {
    spies.forEach((spy) => spy.mockRestore());
  }
}

describe('released weights on the command line', () => {
  it('are inspected, once they were told what their folder does not tell', async () => {
    const refused = await run('inspect', release);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/genes\.tsv: no such file \(put the ordered gene list of these weights there, or name it with genes/);
    const { code, out } = await run('inspect', release, '--genes', genes, '--entropy', 'none', '--target-sum', '10000', '--json');
    expect(code).toBe(0);
    const json = JSON.parse(out) as Record<string, unknown>;
    expect(json).toMatchObject({ numGenes: 32, numTensors: 47, dtypes: ['F32'], head: null, training: null, entropyRange: [1, 1] });
    expect(json['files']).toMatchObject([{ name: 'model.pt', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string }, { name: 'config.json' }]);
  });

  it('become a checkpoint folder with the same numbers that needs to be told nothing', async () => {
    const out = join(folder, 'imported');
    const told = ['--genes', genes, '--entropy', 'none', '--target-sum', '10000'];
    expect((await run('import', release, ...told, '--out', out)).code).toBe(0);
    const { config, ids } = await readReleaseConfig(join(out, 'config.json'));
    expect(await loadParameters(out, config, ids.size)).toEqual(await readSafetensors(join(fixtures, 'parity-small/model.safetensors')));
    expect(await readFile(join(out, 'README.md'), 'utf8')).toMatch(/- model\.pt: sha256 [0-9a-f]{64}/);
    const inspected = await run('inspect', out);
    expect(inspected.out).toMatch(/^genes +32 \([0-9a-f]{12}…\)$/m);
    expect(inspected.out).toMatch(/^training +not trained here$/m);
    const again = await run('import', release, ...told, '--out', out);
    expect(again).toMatchObject({ code: 2 });
    expect(again.err).toMatch(/imported: exists already/);
  });

  it('are fetched by name, listed and removed', async () => {
    const server = new HubServer('lab/cells', {
      'config.json': await readFile(join(release, 'config.json')),
      'model.pt': await readFile(join(release, 'model.pt')),
    });
    await server.start();
    try {
      for (const [key, value] of Object.entries({ HF_ENDPOINT: server.endpoint, SCDIVA_HUB_CACHE: join(folder, 'hub'), HF_HUB_OFFLINE: '', HF_TOKEN: '' }))
        vi.stubEnv(key, value);
      expect((await run('models')).out).toMatch(/^none in .*hub$/m);
      const { out } = await run('inspect', 'lab/cells', '--genes', genes, '--entropy', 'none', '--target-sum', '1', '--json');
      expect(JSON.parse(out.trim().split('\n').at(-1)!)).toMatchObject({ numGenes: 32 });
      expect((await run('models')).out).toMatch(/^lab\/cells@main {2}c0ffee00 {2}\d+\.\d kB {2}/m);
      expect((await run('models', '--remove', 'lab/cells')).out).toMatch(/^lab\/cells removed, \d+\.\d kB freed$/m);
      expect(await run('models', '--remove', 'lab/cells')).toMatchObject({ code: 2 });
      expect((await run('inspect', 'lab/none')).err).toMatch(/lab\/none: no such model on the hub at revision main/);
    } finally {
      await server.stop();
    }
  });
});
