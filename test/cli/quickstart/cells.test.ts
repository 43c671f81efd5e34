import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseSource, inspectCells, remarksOnLabel } from '../../../src/cli/quickstart/cells.js';
import { createContext } from '../../../src/cli/context.js';
import { separableCells } from '../../support/annotated-cells.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('cells');
const context = createContext({ json: true, verbose: false }, new AbortController().signal);
let folder: string;
beforeAll(async () => {
  folder = await newFolder();
});

async function file(name: string, content: Partial<SmallH5ad> = {}, numCells = 60): Promise<string> {
  const path = join(folder, name);
  await writeSmallH5ad(path, { ...separableCells(1, numCells), ...content });
  return path;
}
const refuse = async (path: string, label: string | undefined, minClassCells = 1): Promise<string> => {
  const error = await inspectCells(path, { label, minClassCells, unlabelled: [] }, context).then(
    () => new Error('not refused'),
    (e: Error & { exitCode?: number }) => e,
  );
  expect((error as { exitCode?: number }).exitCode).toBe(2);
  expect(error.message).not.toContain('\n');
  return error.message;
};

describe('the cells of a quickstart', () => {
  it('are taken when they have the label', async () => {
    expect(await inspectCells(await file('good.h5ad'), { label: 'cell_type', minClassCells: 1, unlabelled: [] }, context)).toMatchObject({
      numCells: 60,
      matrix: 'X',
      valueKind: 'counts',
    });
  });

  it('are refused without the label, naming the columns that could be meant', async () => {
    const path = await file('label.h5ad');
    expect(await refuse(path, 'celltype')).toMatch(
      /label\.h5ad: obs\['celltype'\]: no such column \(expected a column with cell types, such as cell_type \(3 classes\); pass --label KEY\)/,
    );
    expect(await refuse(path, undefined)).toMatch(/--label: missing \(expected a column with cell types, such as cell_type \(3 classes\)\)/);
  });

  it('are refused with a label that is no class', async () => {
    expect(await refuse(await file('measure.h5ad', { obs: { score: Float64Array.from({ length: 60 }, (_, i) => i / 7) } }), 'score')).toMatch(
      /obs\['score'\]: no column of 2 to 200 classes \(expected a column with cell types; this file has none/,
    );
  });

  it('are refused when they are too few', async () => {
    expect(await refuse(await file('few.h5ad', {}, 30), 'cell_type')).toMatch(/30 labelled cells \(expected at least 50/);
  });

  it('are refused with a class of one cell, unless such classes are to lose their label', async () => {
    const types = [...separableCells(1, 60).types.slice(0, 59), 'Mast'];
    const path = await file('single.h5ad', { obs: { cell_type: types } });
    expect(await refuse(path, 'cell_type')).toMatch(/class 'Mast' has 1 cell.*--min-class-cells 3/);
    await expect(inspectCells(path, { label: 'cell_type', minClassCells: 3, unlabelled: [] }, context)).resolves.toBeDefined();
    expect(await refuse(path, 'cell_type', 30)).toMatch(/0 labelled cells in classes of 30 and more/);
  });

  it('may have a class that is none, which is remarked on until it is named', async () => {
    const types = separableCells(1, 60).types.map((type, i) => (i % 6 === 0 ? 'Unknown' : type));
    const path = await file('unknown.h5ad', { obs: { cell_type: types } });
    const choice = { label: 'cell_type', minClassCells: 1, unlabelled: ['Unknown'] };
    const inspection = await inspectCells(path, choice, context);
    expect(inspection.problems).toEqual(["obs['cell_type']: class 'Unknown' reads like no label; --unlabelled 'Unknown' keeps its cells without one"]);
    expect(remarksOnLabel(inspection, 'cell_type', [])).toEqual([expect.stringMatching(/^class 'Unknown' of obs\['cell_type'\] reads like no label/)]);
    expect(remarksOnLabel(inspection, 'cell_type', choice.unlabelled)).toEqual([]);
    await expect(inspectCells(path, { ...choice, unlabelled: ['Unknown', 'B', 'NK'] }, context)).rejects.toThrow(/one class only|labelled cells/);
  });

  it('are refused when their values are scaled and no others are there', async () => {
    const { x } = separableCells(1, 60);
    const rows = x!.rows.map((row) => row.map((value) => value / 3 - 1));
    expect(await refuse(await file('scaled.h5ad', { x: { rows, encoding: 'dense' } }), 'cell_type')).toMatch(/scaled\.h5ad: .*scaled/);
  });
});

describe('chooseSource', () => {
  it('takes the example without flags, and refuses a label without a file', async () => {
    expect(await chooseSource({ data: undefined, label: undefined, minClassCells: 1, unlabelled: [] }, context)).toMatchObject({
      name: 'pbmc68k',
      labelKey: 'bulk_labels',
    });
    await expect(chooseSource({ data: undefined, label: 'x', minClassCells: 1, unlabelled: [] }, context)).rejects.toThrow(/--label: 'x' without a file/);
  });

  it('names the cells after the file and sees when it changes', async () => {
    const path = await file('my.cells.h5ad');
    const choice = { data: path, label: 'cell_type', minClassCells: 1, unlabelled: [] };
    const before = await chooseSource(choice, context);
    expect(before.name).toBe('my.cells');
    await writeFile(path, 'others');
    expect((await chooseSource(choice, context)).identity).not.toEqual(before.identity);
    await expect(chooseSource({ ...choice, data: join(folder, 'none.h5ad') }, context)).rejects.toThrow(/none\.h5ad: no such file/);
  });
});
