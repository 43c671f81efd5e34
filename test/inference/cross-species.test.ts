import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrthologTable } from '../../src/data/genes/orthologs.js';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import { Preprocessing } from '../../src/data/loader/config.js';
import { openCellFile } from '../../src/data/readers/open.js';
import { cellSource, type ReadOptions } from '../../src/inference/cell-source.js';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { Rng } from '../../src/rng.js';
import { createExecutor } from '../../src/runtime/program/executor.js';
import type { Executor } from '../../src/runtime/program/program.js';
import { createCellEncoder, type CellEncoder } from '../../src/tasks/cell-encoder.js';
import { separableCells } from '../support/annotated-cells.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';
import { useTensorFlow } from '../support/tensorflow.js';

useTensorFlow();
const folder = mkdtempSync(join(tmpdir(), 'scdiva-species-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cells = separableCells(3, 9);
const vocabulary = new Vocabulary(cells.geneNames.map((symbol) => ({ symbol, ensemblId: '' })));
const modelConfig = ModelConfig.parse({ hiddenDim: 16, numLayers: 1, numHeads: 2, ffnDim: 24, maxGenes: 32 });
const model = {
  modelConfig,
  vocabulary,
  entropy: new Float32Array(vocabulary.size).fill(1),
  preprocessing: Preprocessing.parse({ maxGenes: 32, lengthMultiple: 8 }),
  parameters: initialParameters(modelConfig, vocabulary.size, Rng.fromSeed(5)),
};
const mouseNames = cells.geneNames.map((_, gene) => `Mouse${gene}a`);
const gene = (symbol: string) => ({ symbol, ensemblId: '' });
const pairs = cells.geneNames.map((name, i) => ({ human: gene(name), source: gene(mouseNames[i]!) }));

let executor: Executor;
let encoder: CellEncoder;
beforeAll(async () => {
  await writeSmallH5ad(join(folder, 'human.h5ad'), cells);
  await writeSmallH5ad(join(folder, 'mouse.h5ad'), { ...cells, geneNames: mouseNames });
  executor = await createExecutor({ kind: 'eager' });
  encoder = await createCellEncoder(executor, model);
});
afterAll(() => {
  encoder.dispose();
  executor.dispose();
});

async function embed(name: string, options: ReadOptions = {}): Promise<{ rows: number[]; shareOfExpression: number }> {
  const file = await openCellFile(join(folder, name));
  try {
    const { batches } = await cellSource(file, model, options);
    const rows: number[] = [];
    for await (const batch of batches) rows.push(...(await encoder.encode(batch)));
    return { rows, shareOfExpression: batches.shareOfExpression };
  } finally {
    file.close();
  }
}

describe('cells of another species', () => {
  it('embed as the human cells do when every gene has its one ortholog', async () => {
    const human = await embed('human.h5ad');
    expect(await embed('mouse.h5ad', { orthologs: new OrthologTable(pairs, 'all.csv') })).toEqual(human);
    expect(human.shareOfExpression).toBe(1);
  });

  it('embed otherwise, and say what share of expression was lost, where genes have none', async () => {
    const some = await embed('mouse.h5ad', { orthologs: new OrthologTable(pairs.slice(0, pairs.length / 2), 'half.csv') });
    expect(some.rows).not.toEqual((await embed('human.h5ad')).rows);
    expect(some.shareOfExpression).toBeLessThan(0.9);
    expect(some.shareOfExpression).toBeGreaterThan(0.1);
  });

  it('are refused without a table, naming the flag that takes one', async () => {
    await expect(embed('mouse.h5ad')).rejects.toThrow('--orthologs');
  });
});
