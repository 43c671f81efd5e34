// n cells, G genes of the panel, V gene vocabulary
import { ConfigError, DataError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Preprocessing } from '../../data/loader/config.js';
import { flatEntropy, Serializer } from '../../data/loader/serialize.js';
import { applyPca, fitPca } from '../../metrics/baselines/pca.js';
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { meanProfile } from '../../metrics/perturbation/profiles.js';
import type { PerturbationConfig } from './config.js';
import {
  CONTROL_NAMES,
  parseDirection,
  parsePerturbation,
  perturbedGenes,
  type Direction,
  type Perturbation,
  type PerturbationNaming,
} from './perturbations.js';

/** The genes that are predicted: those that some cell expresses. */
export interface Panel {
  /** [G] vocabulary ids, ascending. */
  readonly ids: Int32Array;
  /** [G] as perturbations name them. */
  readonly names: readonly string[];
  /** [V] position in the panel, -1 = not in it. */
  readonly at: Int32Array;
}

/** A control cell as the model reads it: its genes best-ranked first. */
export interface RankedCell {
  readonly geneIds: Int32Array;
  readonly values: Float32Array;
}

/** Perturbed and control cells, each perturbed one with a control cell of its own. */
export interface PerturbationCells {
  readonly panel: Panel;
  /** [n, G] log-normalised expression. */
  readonly x: SparseMatrix;
  readonly perturbations: readonly Perturbation[];
  /** [n] index into perturbations; -1 = control. */
  readonly perturbation: Int32Array;
  /** [n] match group: control and perturbed cells that equal each other in the fields of match.keys. */
  readonly group: Int32Array;
  /** Of each group, the mean of its control cells [G]. */
  readonly groupMeans: readonly Float64Array[];
  /** [n] the control cell (its row here) that a perturbed cell is counted from; of a control cell itself. */
  readonly matched: Int32Array;
  /** [n] */
  readonly controls: Int32Array;
  /** A control cell by its row here. */
  readonly ranked: (row: number) => RankedCell;
  readonly controlName: string;
  readonly naming: PerturbationNaming;
  /** What a reader of the results must know. */
  readonly notes: readonly string[];
}

/**
 * Reads the perturbed cells of a corpus, whatever its own split column says.
 * @param rng of the matching
 * @throws DataError, ConfigError: a field that is not there, no control cell, a gene that the model does not know
 */
export function readPerturbationCells(
  corpus: Corpus,
  { data, match }: Pick<PerturbationConfig, 'data' | 'match'>,
  preprocessing: Preprocessing,
  entropy: Float32Array,
  rng: Rng,
): PerturbationCells {
  const names = corpus.labelNames(data.perturbationKey);
  const controlName = findControl(names, data.control, corpus.path, data.perturbationKey);
  const naming: PerturbationNaming = { separator: data.separator, controlNames: [...CONTROL_NAMES, controlName] };
  const codes = corpus.labelCodes(data.perturbationKey);
  const rows = Int32Array.from(codes.keys()).filter((row) => codes[row]! >= 0);
  const directions = readDirections(corpus, data, codes, rows);

  const perturbations: Perturbation[] = [];
  const byName = new Map<string, number>();
  const indexOfCode = names.map((name, code) => {
    if (name === controlName || perturbedGenes(name, naming).length === 0) return -1;
    const perturbation = parsePerturbation(name, naming, directions.get(code) ?? data.direction, corpus.vocabulary, corpus.path);
    const index = byName.get(perturbation.name) ?? perturbations.push(perturbation) - 1;
    byName.set(perturbation.name, index);
    return index;
  });
  const perturbation = Int32Array.from(rows, (row) => indexOfCode[codes[row]!]!);
  const controls = Int32Array.from(perturbation.keys()).filter((i) => perturbation[i] === -1);
  if (perturbations.length === 0)
    throw new DataError({ file: corpus.path, key: `obs['${data.perturbationKey}']`, found: `nothing but '${controlName}'`, expected: 'perturbed cells' });

  const serializer = new Serializer({ preprocessing, scale: corpus.scale, entropy });
  const { x, panel } = readPanel(corpus, rows, preprocessing);
  const { group, groupMeans, numWithout } = matchGroups(corpus, match.keys, rows, x, controls);
  const matched = matchControls({ x, perturbation, group, controls, kind: match.kind, rng });
  const ranked = new Map<number, RankedCell>();
  return {
    panel,
    x,
    perturbations,
    perturbation,
    group,
    groupMeans,
    matched,
    controls,
    controlName,
    naming,
    ranked(row) {
      let cell = ranked.get(row);
      if (!cell) ranked.set(row, (cell = rank(serializer, corpus, rows[row]!, preprocessing.maxGenes)));
      return cell;
    },
    notes: numWithout > 0 ? [`${numWithout} combinations of ${match.keys.join(' and ')} have no control cell: all control cells stand in`] : [],
  };
}

function findControl(names: readonly string[], given: string | null, file: string, key: string): string {
  const found = given === null ? names.find((name) => CONTROL_NAMES.includes(name)) : names.find((name) => name === given);
  if (found !== undefined) return found;
  throw new DataError({
    file,
    key: `obs['${key}']`,
    found: given === null ? `no value that means control (${CONTROL_NAMES.join(', ')})` : `no cell is '${given}'`,
    expected: `one of ${names.slice(0, 8).join(', ')}${names.length > 8 ? ' …' : ''}`,
    hint: 'set data.control',
  });
}

/** Direction of each perturbation code. */
function readDirections(
  corpus: Corpus,
  { directionKey, perturbationKey }: PerturbationConfig['data'],
  codes: Int32Array,
  rows: Int32Array,
): Map<number, Direction> {
  const found = new Map<number, Direction>();
  if (directionKey === null) return found;
  const words = corpus.labelNames(directionKey);
  const wordOf = corpus.labelCodes(directionKey);
  for (const row of rows) {
    const word = words[wordOf[row]!];
    // Control cells may say anything, or nothing.
    if (word === undefined || CONTROL_NAMES.includes(corpus.labelNames(perturbationKey)[codes[row]!]!)) continue;
    const direction = parseDirection(word, `obs['${directionKey}']`);
    const before = found.get(codes[row]!) ?? direction;
    if (before !== direction)
      throw new ConfigError({
        key: 'data.directionKey',
        found: `${corpus.labelNames(perturbationKey)[codes[row]!]} is both knocked out and activated`,
        hint: 'build a corpus of each with data build --keep',
      });
    found.set(codes[row]!, direction);
  }
  return found;
}

function rank(serializer: Serializer, corpus: Corpus, row: number, maxGenes: number): RankedCell {
  const geneIds = new Int32Array(maxGenes);
  const values = new Float32Array(maxGenes);
  const n = serializer.serialize(corpus.readCell(row), { geneIds, values, offset: 0 });
  return { geneIds: geneIds.slice(0, n), values: values.slice(0, n) };
}

/** Log-normalised expression of the rows over the genes that one of them expresses. */
function readPanel(corpus: Corpus, rows: Int32Array, preprocessing: Preprocessing): { x: SparseMatrix; panel: Panel } {
  const { vocabulary } = corpus;
  const numStored = corpus.numGenesPerCell();
  const numValues = rows.reduce((sum, row) => sum + numStored[row]!, 0);
  const serializer = new Serializer({
    preprocessing: { ...preprocessing, maxGenes: vocabulary.size, serialisation: 'expression' },
    scale: corpus.scale,
    entropy: flatEntropy(vocabulary),
  });
  const indptr = new Int32Array(rows.length + 1);
  const indices = new Int32Array(numValues);
  const values = new Float32Array(numValues);
  rows.forEach((row, i) => (indptr[i + 1] = indptr[i]! + serializer.serialize(corpus.readCell(row), { geneIds: indices, values, offset: indptr[i]! })));
  const filled = indptr[rows.length]!;
  const at = new Int32Array(vocabulary.size).fill(-1);
  for (let k = 0; k < filled; k++) at[indices[k]!] = 0;
  const ids = Int32Array.from(at.keys()).filter((id) => at[id] === 0);
  ids.forEach((id, position) => (at[id] = position));
  for (let k = 0; k < filled; k++) indices[k] = at[indices[k]!]!;
  const names = Array.from(ids, (id) => vocabulary.gene(id).symbol || vocabulary.gene(id).ensemblId);
  return {
    x: { numRows: rows.length, numColumns: ids.length, indptr, indices: indices.subarray(0, filled), values: values.subarray(0, filled) },
    panel: { ids, names, at },
  };
}

function matchGroups(
  corpus: Corpus,
  keys: readonly string[],
  rows: Int32Array,
  x: SparseMatrix,
  controls: Int32Array,
): { group: Int32Array; groupMeans: Float64Array[]; numWithout: number } {
  const columns = keys.map((key) => corpus.labelCodes(key));
  const numbers = new Map<string, number>();
  const group = Int32Array.from(rows, (row) => {
    const name = columns.map((codes) => codes[row]).join('/');
    if (!numbers.has(name)) numbers.set(name, numbers.size);
    return numbers.get(name)!;
  });
  const pooled = meanProfile(x, controls);
  let numWithout = 0;
  const groupMeans = Array.from({ length: numbers.size }, (_, g) => {
    const own = controls.filter((i) => group[i] === g);
    if (own.length === 0) numWithout++;
    return own.length > 0 ? meanProfile(x, own) : pooled;
  });
  return { group, groupMeans, numWithout };
}

const NUM_MATCH_COMPONENTS = 20;

interface Matching {
  readonly x: SparseMatrix;
  readonly perturbation: Int32Array;
  readonly group: Int32Array;
  readonly controls: Int32Array;
  readonly kind: 'random' | 'nearest';
  readonly rng: Rng;
}

/** A control cell for every perturbed one, from its own group where that has any. */
function matchControls({ x, perturbation, group, controls, kind, rng }: Matching): Int32Array {
  const byGroup = new Map<number, number[]>();
  for (const control of controls) {
    const list = byGroup.get(group[control]!);
    if (list) list.push(control);
    else byGroup.set(group[control]!, [control]);
  }
  const all = Array.from(controls);
  const points = kind === 'nearest' ? applyPca(fitPca(x, NUM_MATCH_COMPONENTS, rng.fork('pca')), x) : undefined;
  const distance = (a: number, b: number): number => {
    let sum = 0;
    for (let k = 0; k < points!.numColumns; k++) sum += (points!.data[a * points!.numColumns + k]! - points!.data[b * points!.numColumns + k]!) ** 2;
    return sum;
  };
  const draws = rng.fork('random');
  return Int32Array.from(perturbation, (code, i) => {
    if (code === -1) return i;
    const candidates = byGroup.get(group[i]!) ?? all;
    if (!points) return candidates[draws.int(candidates.length)]!;
    return candidates.reduce((best, candidate) => (distance(i, candidate) < distance(i, best) ? candidate : best));
  });
}

/** Rows of every perturbation. */
export function rowsOf({ perturbation, perturbations }: Pick<PerturbationCells, 'perturbation' | 'perturbations'>): Int32Array[] {
  const counts = new Int32Array(perturbations.length);
  for (const code of perturbation) if (code >= 0) counts[code]!++;
  const rows = Array.from(counts, (count) => new Int32Array(count));
  counts.fill(0);
  perturbation.forEach((code, i) => {
    if (code >= 0) rows[code]![counts[code]!++] = i;
  });
  return rows;
}
