import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadParameters, ModelWeights } from '../../src/model/load-weights.js';
import { readReleaseConfig } from '../../src/model/release-config.js';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.js';
import type { HostTensors } from '../../src/runtime/program/program.js';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const whole = join(fixtures, 'parity-small/model.safetensors');

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'scdiva-weights-'))));
afterEach(() => rm(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const sizes = readReleaseConfig(join(fixtures, 'parity-small/config.json'));
const load = async (): Promise<HostTensors> => loadParameters(folder, (await sizes).config, (await sizes).ids.size);

describe('the weights of a folder', () => {
  it.each([
    ['pytorch_model.bin', 'nested.pt', 0],
    ['model.pt', 'bf16.bin', 2 ** -8],
    ['model.pth', 'f16.pth', 2 ** -11],
  ])('are read from %s as PyTorch wrote it', async (name, from, relative) => {
    await cp(join(fixtures, 'pytorch', from), at(name));
    const found = await load();
    const expected = await readSafetensors(whole);
    expect(new Set(Object.keys(found))).toEqual(new Set(Object.keys(expected)));
    for (const [tensor, { data }] of Object.entries(expected)) {
      const beyond = Array.from(data, (x, i) => Math.abs(found[tensor]!.data[i]! - x) - relative * Math.abs(x));
      expect(Math.max(...beyond), tensor).toBeLessThanOrEqual(2 ** -25);
    }
  });

  it('are read from shards as their index says, and shards that do not fit it are named', async () => {
    const tensors = await readSafetensors(whole);
    const names = Object.keys(tensors);
    const part = (from: number, to: number): HostTensors => Object.fromEntries(names.slice(from, to).map((name) => [name, tensors[name]!]));
    const shardOf = (i: number): string => `model-0000${i < 5 ? 1 : 2}-of-00002.safetensors`;
    const index = Object.fromEntries(names.map((name, i) => [name, shardOf(i)]));
    const writeIndex = (map: object) => writeFile(at('model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
    await writeSafetensors(at(shardOf(0)), part(0, 5));
    await writeSafetensors(at(shardOf(5)), part(5, names.length));
    await writeIndex(index);
    expect(await load()).toEqual(tensors);

    await writeIndex({ ...index, [names[0]!]: shardOf(5) });
    await expect(load()).rejects.toThrow(new RegExp(`${names[0]!.replaceAll('.', '\\.')}: not in model-00002`));
    await writeIndex(Object.fromEntries(Object.entries(index).slice(1)));
    await expect(load()).rejects.toThrow(/a tensor that the index does not place here/);
    await writeIndex({ ...index, [names[0]!]: '../../etc/passwd' });
    await expect(load()).rejects.toThrow(/weight_map\..*: the name of a file beside the index/);
    await writeIndex({ ...index, [names[0]!]: 'model.safetensors.index.json' });
    await expect(load()).rejects.toThrow(/not a file of PyTorch/);
    await rm(at(shardOf(5)));
    await writeIndex(index);
    await expect(load()).rejects.toThrow(/model-00002-of-00002\.safetensors: no such file/);
  });

  it('have their wrappers’ prefixes taken off, if every name has them', async () => {
    const tensors = await readSafetensors(whole);
    const renamed = (prefix: (i: number) => string) => Object.fromEntries(Object.entries(tensors).map(([name, tensor], i) => [prefix(i) + name, tensor]));
    await writeSafetensors(
      at('model.safetensors'),
      renamed(() => 'module._orig_mod.'),
    );
    expect(await load()).toEqual(tensors);
    await writeSafetensors(
      at('model.safetensors'),
      renamed((i) => (i ? 'module.' : '')),
    );
    await expect(load()).rejects.toThrow(/module\.gene_embedding\.weight|: missing/);
  });

  it('are named when there are none', async () => {
    await expect(load()).rejects.toThrow(
      /model\.safetensors: no such file \(expected weights: model\.safetensors, model\.safetensors\.index\.json, pytorch_model\.bin/,
    );
  });

  it('can be read one by one, those that are wanted alone', async () => {
    await cp(whole, at('model.safetensors'));
    const weights = await ModelWeights.open(folder, (await sizes).config, (await sizes).ids.size);
    const names: string[] = [];
    for await (const [name] of weights.parameters((name) => name.startsWith('value_head.'))) names.push(name);
    expect(names).toEqual(['value_head.0.weight', 'value_head.0.bias', 'value_head.2.weight', 'value_head.2.bias']);
    expect(weights.dtypes).toEqual(['F32']);
    await weights.close();
  });
});
