import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadHdf5 } from '../../../src/data/readers/hdf5-library.js';
import { readProteins, scaleProteins } from '../../../src/data/readers/proteins.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeAnnData } from '../../support/small-h5ad.js';

const folderOf = temporaryFolder('proteins');
let folder: string;
const rna = {
  x: {
    rows: [
      [1, 0],
      [0, 2],
      [3, 1],
    ],
    encoding: 'csr' as const,
  },
  cellIds: ['a', 'b', 'c'],
  geneNames: ['CD3E', 'LYZ'],
};
const prot = {
  x: {
    rows: [
      [9, 0, 4],
      [0, 7, 1],
    ],
    encoding: 'dense' as const,
  },
  cellIds: ['c', 'a'],
  geneNames: ['CD3', 'CD4', 'CD14'],
};

async function writeMuData(path: string, modalities: Readonly<Record<string, typeof rna | typeof prot>>): Promise<string> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  const mod = (file.get('/') as Parameters<typeof writeAnnData>[0]).create_group('mod');
  for (const [name, content] of Object.entries(modalities)) writeAnnData(mod.create_group(name), content);
  file.close();
  return path;
}

beforeAll(async () => {
  folder = await folderOf();
});

describe('proteins of a MuData file', () => {
  it('are read from the modality beside the genes, with the names of their own cells', async () => {
    const found = await readProteins(await writeMuData(join(folder, 'a.h5mu'), { rna, prot }));
    expect(found).toMatchObject({ where: 'mod/prot/X', names: ['CD3', 'CD4', 'CD14'], cellIds: ['c', 'a'], isCounts: true });
    expect([...found.values]).toEqual([9, 0, 4, 0, 7, 1]);
  });

  it('are asked for where nothing is called as proteins are, and named where the key is wrong', async () => {
    const file = await writeMuData(join(folder, 'b.h5mu'), { rna, atac: prot });
    await expect(readProteins(file)).rejects.toThrow(/no modality that is called as proteins are \(have: atac\).*data\.proteinKey/);
    await expect(readProteins(file, 'adt')).rejects.toThrow(/adt: no such modality.*one of atac/);
    expect((await readProteins(file, 'atac')).names).toHaveLength(3);
  });
});

describe('the scale of proteins', () => {
  it('takes the mean of a cell away by clr, so that the depth of its antibodies cancels at high counts', () => {
    const clr = scaleProteins(Float32Array.of(9, 0, 99, 999, 99, 9999), 3, 'clr');
    for (const row of [clr.subarray(0, 3), clr.subarray(3)]) expect(row.reduce((sum, v) => sum + v, 0)).toBeCloseTo(0, 5);
    expect(clr[0]! - clr[1]!).toBeCloseTo(Math.log(10), 5);
    expect([...scaleProteins(Float32Array.of(0, Math.E - 1), 2, 'log1p')].map((v) => Math.round(v * 1e5) / 1e5)).toEqual([0, 1]);
    expect([...scaleProteins(Float32Array.of(-1, 2), 2, 'none')]).toEqual([-1, 2]);
  });
});
