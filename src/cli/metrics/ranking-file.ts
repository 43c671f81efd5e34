import { DataError } from '../../errors.js';
import { lines } from '../../data/readers/text-stream.js';
import type { RankedCell } from '../../metrics/reconstruction.js';

interface NamedCell {
  readonly name: string | undefined;
  readonly genes: readonly (string | number)[];
  readonly values: readonly number[] | undefined;
}

/**
 * Reads two files of rankings and brings their cells together.
 * @throws DataError naming the line that is no ranking, and for cells that do not match
 */
export async function readRankings(
  trueFile: string,
  predictedFile: string,
): Promise<{ truth: RankedCell[]; predicted: RankedCell[]; matchedBy: 'cell name' | 'line' }> {
  const [a, b] = [await readCells(trueFile), await readCells(predictedFile)];
  const hasNames = [...a, ...b].every(({ name }) => name !== undefined);
  const partner = hasNames ? new Map(b.map((cell) => [cell.name, cell])) : undefined;
  if (!partner && a.length !== b.length)
    throw new DataError({
      file: predictedFile,
      found: `${b.length} cells`,
      expected: `${a.length}, as ${trueFile} has`,
      hint: 'or give every line of both a "cell"',
    });
  const pairs = a.map((cell, i) => {
    const other = partner ? partner.get(cell.name) : b[i];
    if (!other) throw new DataError({ file: predictedFile, found: `no cell '${cell.name}'`, expected: `every cell of ${trueFile}` });
    return [cell, other] as const;
  });
  const ids = new Map<string, number>();
  const ranked = ({ genes, values }: NamedCell): RankedCell => ({
    geneIds: genes.map((gene) => {
      const key = String(gene);
      const id = ids.get(key) ?? ids.size;
      ids.set(key, id);
      return id;
    }),
    ...(values && { values }),
  });
  return { truth: pairs.map(([cell]) => ranked(cell)), predicted: pairs.map(([, cell]) => ranked(cell)), matchedBy: partner ? 'cell name' : 'line' };
}

async function readCells(file: string): Promise<NamedCell[]> {
  const cells: NamedCell[] = [];
  let number = 0;
  for await (const line of lines(file)) {
    number++;
    if (line.trim() !== '') cells.push(parseCell(line, { file, key: `line ${number}` }));
  }
  if (cells.length === 0) throw new DataError({ file, found: 'is empty', expected: 'one ranking a line' });
  return cells;
}

function parseCell(line: string, place: { file: string; key: string }): NamedCell {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new DataError({ ...place, found: 'is no JSON', expected: 'one JSON object or list a line', cause });
  }
  const { genes, values, cell } = (Array.isArray(parsed) ? { genes: parsed } : (parsed ?? {})) as { genes?: unknown; values?: unknown; cell?: unknown };
  if (!Array.isArray(genes) || !genes.every((gene) => typeof gene === 'string' || typeof gene === 'number'))
    throw new DataError({ ...place, found: 'no list of genes', expected: '{"genes": ["CD3D", …]} or a list alone' });
  if (new Set(genes.map(String)).size < genes.length) throw new DataError({ ...place, found: 'a gene twice', expected: 'a ranking, each gene once' });
  if (values !== undefined && (!Array.isArray(values) || values.length !== genes.length || !values.every((v) => Number.isFinite(v))))
    throw new DataError({ ...place, found: 'values that do not fit the genes', expected: `${genes.length} numbers` });
  return {
    name: cell === undefined || cell === null ? undefined : String(cell as string | number),
    genes: genes as (string | number)[],
    values: values as number[] | undefined,
  };
}
