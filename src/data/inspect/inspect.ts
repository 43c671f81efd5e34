import { DataError } from '../../errors.js';
import { silentProgress, type Progress } from '../../progress.js';
import { geneIdKind, isMouseName, type GeneIdKind, type GeneSpecies } from '../genes/gene-ids.js';
import type { GeneTable } from '../genes/gene-table.js';
import { checkCoverage, coverage, mapGenes, type GeneCoverage, type GeneMapping, type LossReason } from '../genes/mapping.js';
import { withOrthologs, type OrthologTable } from '../genes/orthologs.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import { openCellFile } from '../readers/open.js';
import type { CellFile, GeneNames, MatrixInfo, MatrixKey } from '../readers/reader.js';
import { chooseAmong, judgeMatrices, type ChosenMatrix, type JudgedMatrix } from './choose-matrix.js';
import { findLabels, namesOfNone, type LabelCandidate } from './labels.js';
import { fullStatistics } from './statistics.js';
import { thousands } from './format.js';
import { guessValueKind, type ValueKind } from './value-kind.js';

/** What is in a file, and what would become of it. Plain data: this is what `--json` prints. */
export interface FileInspection {
  readonly file: string;
  readonly format: CellFile['format'];
  readonly numCells: number;
  /** Of the matrix that would be read, as are the next figures; of the first one when none can be read. */
  readonly numGenes: number;
  readonly numNonZero: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly numEmptyCells: number;
  /** Genes that no cell expresses. */
  readonly numEmptyGenes: number;
  readonly valueKind: ValueKind;
  readonly evidence: string;
  /** The matrix a corpus or a prediction is made from; null when there is no usable one. */
  readonly matrix: MatrixKey | null;
  readonly why: string | null;
  /** Total that every cell was normalised to; null for counts and where cells differ. */
  readonly cellTotal: number | null;
  readonly geneIdKind: GeneIdKind;
  readonly geneSpecies: GeneSpecies;
  /** How the gene ids were told, and where they are. */
  readonly geneEvidence: string;
  readonly matrices: readonly MatrixInspection[];
  readonly labels: readonly LabelCandidate[];
  readonly batches: readonly LabelCandidate[];
  /** Against the vocabulary given; null without one. */
  readonly coverage: VocabularyCoverage | null;
  /** What would go wrong or be lost, worst first; empty for a clean file. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

export interface VocabularyCoverage extends GeneCoverage {
  readonly numMatched: number;
  /** Columns by how they were matched: as named, previous symbol, alias … */
  readonly numByRoute: GeneMapping['numByRoute'];
  /** Columns added to another column of the same gene. */
  readonly numMerged: number;
  readonly numLost: number;
  readonly numLostByReason: Readonly<Partial<Record<LossReason, number>>>;
  /** The genes that would be missed most: those lost with the largest share of expression, largest first. */
  readonly mostExpressedLost: readonly { readonly name: string; readonly reason: LossReason; readonly shareOfExpression: number }[];
}

export interface MatrixInspection extends MatrixInfo {
  readonly valueKind: ValueKind;
  readonly evidence: string;
  /** Cells the judgement rests on. */
  readonly numCellsSeen: number;
}

export interface InspectOptions {
  readonly progress?: Progress;
  /** Says how much of the file this vocabulary covers. */
  readonly vocabulary?: Vocabulary;
  /** What genes are and were called: finds genes of the vocabulary under other names. */
  readonly geneTable?: GeneTable;
  /** Reads the genes as their human orthologs. */
  readonly orthologs?: OrthologTable | undefined;
}

/**
 * Looks into a file of cells: a sample of every matrix, and every value of the one that would be read, so that its totals
 * are exact.
 * @throws DataError when the file cannot be opened or is damaged; unusable values are a problem in the result, not an error
 */
export async function inspectFile(path: string, options: InspectOptions = {}): Promise<FileInspection> {
  const file = await openCellFile(path);
  try {
    return await inspect(options.orthologs ? withOrthologs(file, options.orthologs) : file, options);
  } finally {
    file.close();
  }
}

async function inspect(file: CellFile, { progress = silentProgress, vocabulary, geneTable }: InspectOptions): Promise<FileInspection> {
  const judged = await judgeMatrices(file);
  let choice = tryToChoose(file, judged);
  let read = judged.find(({ key }) => key === (choice.matrix?.key ?? judged[0]?.key));
  // The whole matrix may show what the sample did not, so that another one is chosen: until the choice has been seen whole.
  while (read && !read.isWhole && !read.refusal) {
    const whole = await seeWhole(file, read, progress);
    judged.splice(judged.indexOf(read), 1, whole);
    choice = tryToChoose(file, judged);
    read = judged.find(({ key }) => key === (choice.matrix?.key ?? judged[0]?.key));
  }
  if (read?.refusal) throw read.refusal;
  if (!read) throw new DataError({ file: file.path, key: 'X', found: 'no matrix of numbers in the file', expected: 'expression values in X, layers or raw/X' });
  const { genes } = file.matrix(read.key);
  const ids = locateGeneIds(genes);
  const mapping = vocabulary && mapGenes(genes, vocabulary, geneTable);
  const candidates = findLabels(file);
  const labels = candidates.filter(({ role }) => role === 'label');
  const { statistics, guess } = read;
  return {
    file: file.path,
    format: file.format,
    numCells: file.numCells,
    numGenes: read.numGenes,
    numNonZero: statistics.numNonZero,
    sum: statistics.sum,
    min: statistics.min,
    max: statistics.max,
    numEmptyCells: statistics.numEmptyCells,
    numEmptyGenes: statistics.geneSums.reduce((count, sum) => count + (sum === 0 ? 1 : 0), 0),
    valueKind: guess.kind,
    evidence: guess.evidence,
    matrix: choice.matrix?.key ?? null,
    why: choice.matrix?.why ?? null,
    cellTotal: guess.cellTotal ?? null,
    geneIdKind: ids.kind,
    geneSpecies: ids.species,
    geneEvidence: ids.evidence,
    matrices: judged.map(({ key, numGenes, encoding, dtype, guess: its, statistics: seen }) => ({
      key,
      numGenes,
      encoding,
      dtype,
      valueKind: its.kind,
      evidence: its.evidence,
      numCellsSeen: seen.numRows,
    })),
    labels,
    batches: candidates.filter(({ role }) => role === 'batch'),
    coverage: mapping && vocabulary ? vocabularyCoverage(mapping, vocabulary, statistics.geneSums) : null,
    problems: [
      ...choice.problems,
      ...judged.flatMap(({ refusal }) =>
        refusal
          ? problemsOf(() => {
              throw refusal;
            })
          : [],
      ),
      ...(mapping && vocabulary ? problemsOf(() => checkCoverage(mapping, genes, vocabulary, file.path)) : []),
      ...geneProblems(genes, ids),
      ...cellProblems(file, read),
      ...labels.flatMap(({ key, classes }) =>
        classes.at(-1)!.size === 1 ? [`obs['${key}']: class '${classes.at(-1)!.name}' has one cell only, which cannot be both learned and tested`] : [],
      ),
      ...labels.flatMap((label) =>
        namesOfNone(label).map((name) => `obs['${label.key}']: class '${name}' reads like no label; --unlabelled '${name}' keeps its cells without one`),
      ),
    ],
    notes: file.notes,
  };
}

const NUM_LOST_SHOWN = 12;

function vocabularyCoverage(mapping: GeneMapping, vocabulary: Vocabulary, geneSums: Float64Array): VocabularyCoverage {
  const { lost, numByRoute, numMatched, numDistinct } = mapping;
  const total = geneSums.reduce((sum, its) => sum + its, 0);
  const numLostByReason: Partial<Record<LossReason, number>> = {};
  for (const { reason } of lost) numLostByReason[reason] = (numLostByReason[reason] ?? 0) + 1;
  const expressed = lost.filter(({ column }) => geneSums[column]! > 0).sort((a, b) => geneSums[b.column]! - geneSums[a.column]!);
  return {
    numMatched,
    numByRoute,
    numMerged: numMatched - numDistinct,
    numLost: lost.length,
    numLostByReason,
    mostExpressedLost: expressed.slice(0, NUM_LOST_SHOWN).map(({ column, name, reason }) => ({ name, reason, shareOfExpression: geneSums[column]! / total })),
    ...coverage(mapping, vocabulary, geneSums),
  };
}

async function seeWhole(file: CellFile, judged: JudgedMatrix, progress: Progress): Promise<JudgedMatrix> {
  const bar = progress.start(`reading ${judged.key}`, file.numCells, 'cells');
  try {
    const statistics = await fullStatistics(file.matrix(judged.key), (done) => bar.update(done));
    return { ...judged, statistics, guess: guessValueKind(statistics), isWhole: true };
  } finally {
    bar.stop();
  }
}

function tryToChoose(file: CellFile, judged: readonly JudgedMatrix[]): { matrix?: ChosenMatrix; problems: string[] } {
  let matrix: ChosenMatrix | undefined;
  const problems = problemsOf(() => {
    matrix = chooseAmong(file, judged);
  });
  return { ...(matrix && { matrix }), problems };
}

/** A refusal as a line of the report: the inspector names what others would stop at. */
function problemsOf(check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const { key, found, hint } = error.facts;
    return [`${key}: ${found}${hint ? `; ${hint}` : ''}`];
  }
}

/** Gene ids from the names, else from a column beside them. */
function locateGeneIds(genes: GeneNames): { kind: GeneIdKind; species: GeneSpecies; evidence: string } {
  const names = geneIdKind(genes.names);
  const beside = [genes.symbols && 'symbols', genes.ensemblIds && 'Ensembl ids'].filter(Boolean).join(' and ');
  if (names.kind !== 'unknown' || !beside) return { ...names, evidence: `var_names: ${names.evidence}${beside ? `; ${beside} in a column beside them` : ''}` };
  const column = geneIdKind(genes.ensemblIds ?? genes.symbols ?? []);
  return { ...column, evidence: `a column beside var_names: ${column.evidence}` };
}

/** What a spreadsheet makes of SEPT2, MARCH1 and DEC1. */
const DATE = /^\d{1,2}-(Mar|Sep|Sept|Dec|Oct|Apr|Feb|Nov)$|^(Mar|Sep|Dec)-\d{2}$/i;
/** Some human loci are written in small letters, too. */
const MOST_MOUSE_NAMES = 0.05;

function geneProblems(genes: GeneNames, ids: { kind: GeneIdKind; species: GeneSpecies; evidence: string }): string[] {
  const problems: string[] = [];
  if (ids.kind === 'unknown') problems.push(`genes cannot be recognised: ${ids.evidence}; put symbols or Ensembl ids into var_names`);
  if (ids.species === 'mouse' || ids.species === 'other')
    problems.push(
      `${ids.species === 'mouse' ? 'mouse' : 'non-human'} genes: a human vocabulary will not know them; pass a table of human orthologs with --orthologs`,
    );
  const mouse = ids.species === 'human' ? genes.names.filter(isMouseName) : [];
  if (mouse.length > MOST_MOUSE_NAMES * genes.names.length)
    problems.push(
      `${thousands(mouse.length)} of ${thousands(genes.names.length)} names are written like mouse symbols among human ones (${some(mouse)}): two species in one file, or names in mixed case; they will not match human genes`,
    );
  const dates = genes.names.filter((name) => DATE.test(name));
  if (dates.length > 0)
    problems.push(
      `${thousands(dates.length)} gene ${dates.length === 1 ? 'name is a date' : 'names are dates'} (${some(dates)}): a spreadsheet changed symbols such as SEPT2 and MARCH1; take them from the original`,
    );
  const repeated = repeats(genes.names);
  if (repeated.length > 0)
    problems.push(
      `${thousands(repeated.length)} gene ${repeated.length === 1 ? 'name occurs' : 'names occur'} more than once (${some(repeated)}); their columns are summed`,
    );
  return problems;
}

function cellProblems(file: CellFile, { statistics }: JudgedMatrix): string[] {
  const problems: string[] = [];
  const { numEmptyCells, emptyCells, numNonZero, min, max } = statistics;
  if (numNonZero > 0 && min === 1 && max === 1)
    problems.push('every value is 1: the matrix tells which genes were seen, not how often, and leaves nothing to rank genes by');
  if (numEmptyCells > 0) {
    const named = emptyCells.map((row) => file.cellIds[row]!);
    problems.push(
      `${thousands(numEmptyCells)} ${numEmptyCells === 1 ? 'cell has' : 'cells have'} no values (${some(named, numEmptyCells)}) and cannot be embedded`,
    );
  }
  const repeated = repeats(file.cellIds);
  if (repeated.length > 0)
    problems.push(`${thousands(repeated.length)} cell ${repeated.length === 1 ? 'name occurs' : 'names occur'} more than once (${some(repeated)})`);
  return problems;
}

function repeats(names: readonly string[]): string[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const name of names) (seen.has(name) ? repeated : seen).add(name);
  return [...repeated];
}

function some(names: readonly string[], total = names.length): string {
  return `${names.slice(0, 3).join(', ')}${total > Math.min(3, names.length) ? ', …' : ''}`;
}
