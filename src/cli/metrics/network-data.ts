import { DataError } from '../../errors.js';
import { coExpression } from '../../metrics/baselines/co-expression.js';
import { edgeScores, pairUniverse, type Edge, type PairUniverse } from '../../metrics/gene-network.js';
import { readExpression } from './expression.js';
import { readTextTable, type TextTable } from './text-table.js';

export interface LoadedNetwork {
  readonly edges: readonly Edge[];
  readonly universe: PairUniverse;
  /** Predicted edges between genes of the truth. */
  readonly numInUniverse: number;
  /** Whether the truth tells signs, and whether the prediction has both. */
  readonly hasSigns: boolean;
  readonly edgesFile: string;
  readonly truthFile: string;
  readonly notes: readonly string[];
}

const REGULATOR = /^(gene1|tf|regulator|source|from|regulatory_?gene)$/i;
const TARGET = /^(gene2|target|to|target_?gene)$/i;
const WEIGHT = /^(weight|edge_?weight|importance|score|value|strength|attention|corr(elation)?)$/i;
const SIGN = /^(type|sign|effect|mor|regulation)$/i;
const ACTIVATES = /^(\+|1|\+1|1\.0|activat\w*|act|up|positive)$/i;
const REPRESSES = /^(-|-1|-1\.0|repress\w*|rep|inhibit\w*|down|negative)$/i;

/** Reads a predicted and a true network. @throws DataError for tables without the columns, weights that are no numbers, and networks that share no gene */
export async function loadNetwork({
  edges: edgesFile,
  truth: truthFile,
  tf,
}: {
  edges: string;
  truth: string;
  tf: string | undefined;
}): Promise<LoadedNetwork> {
  const truth = await readTrueEdges(truthFile);
  const edges = readEdges(await readTextTable(edgesFile, looksLikeHeader), 'prediction');
  const regulators = tf === undefined ? undefined : await readRegulators(tf);
  const universe = pairUniverse(truth, regulators);
  if (universe.numTrue === 0)
    throw new DataError({
      file: tf ?? truthFile,
      found: tf === undefined ? 'no edge between two different genes' : `no regulator of ${truthFile}`,
      expected: 'true edges to look for',
    });
  const { numInUniverse } = edgeScores(universe, edges);
  const known = new Set(universe.genes);
  if (!edges.some(({ regulator, target }) => known.has(regulator) && known.has(target))) {
    throw new DataError({
      file: edgesFile,
      found: `no edge between genes of ${truthFile} (it names '${edges[0]!.regulator}'; the truth '${universe.genes[0]}')`,
      expected: 'the same gene names in both',
      hint: 'are both symbols, in the same letter case?',
    });
  }
  return {
    edges,
    universe,
    numInUniverse,
    hasSigns: truth.some(({ weight = 0 }) => weight !== 0) && edges.some(({ weight = 1 }) => weight < 0),
    edgesFile,
    truthFile,
    notes: edges.every(({ weight }) => weight === undefined) ? [`${edgesFile} has no weights: every edge counts alike`] : [],
  };
}

function looksLikeHeader(fields: readonly string[]): boolean {
  return fields.some((field) => REGULATOR.test(field)) && fields.some((field) => TARGET.test(field));
}

/** @throws DataError for a table without regulators and targets */
export async function readTrueEdges(file: string): Promise<Edge[]> {
  return readEdges(await readTextTable(file, looksLikeHeader), 'truth');
}

/** Names of transcription factors: the first column. */
export async function readRegulators(file: string): Promise<string[]> {
  return (await readTextTable(file, () => false)).rows.map((row) => row[0]!);
}

/** Named columns where there is a header that names them, else the first three. */
function readEdges({ file, header, rows }: TextTable, role: 'truth' | 'prediction'): Edge[] {
  const find = (pattern: RegExp) => header?.findIndex((name) => pattern.test(name)) ?? -1;
  const regulatorAt = header ? find(REGULATOR) : 0;
  const targetAt = header ? find(TARGET) : 1;
  const width = rows[0]!.length;
  if (width < 2) throw new DataError({ file, found: 'one column', expected: 'regulator, target and perhaps a weight, parted by comma or tabulator' });
  const valueAt = role === 'truth' ? (header ? find(SIGN) : 2) : header ? find(WEIGHT) : 2;
  return rows.map((row, i) => {
    const edge = { regulator: row[regulatorAt]!, target: row[targetAt]! };
    const text = valueAt >= 0 && valueAt < width ? row[valueAt]! : undefined;
    if (text === undefined) return edge;
    if (role === 'truth') return { ...edge, weight: ACTIVATES.test(text) ? 1 : REPRESSES.test(text) ? -1 : 0 };
    const weight = Number(text);
    if (text === '' || !Number.isFinite(weight))
      throw new DataError({ file, key: `data line ${i + 1}`, found: `the weight '${text.slice(0, 30)}'`, expected: 'a number' });
    return { ...edge, weight };
  });
}

/** Correlation of the universe's genes over cells, as edges. @throws DataError when the file has fewer than 2 of the genes */
export async function coExpressionEdges(path: string, { genes }: PairUniverse): Promise<{ edges: Edge[]; note: string }> {
  const { x, geneNames, file, note } = await readExpression(path);
  file.close();
  const at = new Map(geneNames.map((name, i) => [name, i]));
  const present = genes.filter((gene) => at.has(gene));
  if (present.length < 2)
    throw new DataError({
      file: path,
      found: `${present.length} of the ${genes.length} genes of the truth`,
      expected: 'at least 2',
      hint: 'are both named by symbol?',
    });
  const correlation = coExpression(
    x,
    present.map((gene) => at.get(gene)!),
  );
  const edges = present.flatMap((regulator, a) =>
    present.flatMap((target, b) => (a === b ? [] : [{ regulator, target, weight: correlation[a * present.length + b]! }])),
  );
  return { edges, note: `co-expression of ${present.length} of the ${genes.length} genes; ${note}` };
}
