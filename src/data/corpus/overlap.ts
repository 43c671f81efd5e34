import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, InterruptedError } from '../../errors.js';
import { silentProgress, type Progress } from '../../progress.js';
import { vocabularyFromGenes } from '../genes/build-vocabulary.js';
import type { GeneTable } from '../genes/gene-table.js';
import { mapGenes } from '../genes/mapping.js';
import { chooseMatrix } from '../inspect/choose-matrix.js';
import type { ValueKind } from '../loader/config.js';
import { openCellFile } from '../readers/open.js';
import type { GeneNames } from '../readers/reader.js';
import { CellHash, HashTable } from './cell-hash.js';
import { openCorpus } from './corpus.js';
import { LEAST_GENES_TO_COMPARE } from './duplicates.js';
import { MANIFEST_FILE, SPLITS, type Split } from './manifest.js';

/** Which cells two sets have in common. Plain data: this is what `scdiva data overlap --json` prints. */
export interface Overlap {
  readonly a: OverlapSide;
  readonly b: OverlapSide;
  /** Genes that some cell of either set expresses; of the pair of sources that share most. */
  readonly numSharedGenes: number;
  /** `counts`: equal counts of every shared gene. `expressed genes`: the same shared genes expressed, where one set is normalised. */
  readonly comparedBy: 'counts' | 'expressed genes';
  /** The first few pairs of identical cells. */
  readonly examples: readonly { readonly a: string; readonly b: string }[];
}

export interface OverlapSide {
  readonly path: string;
  readonly numCells: number;
  readonly valueKind: ValueKind;
  /** Cells with enough shared genes to be compared. */
  readonly numCompared: number;
  /** Cells that have an identical one in the other set. */
  readonly numIdentical: number;
  readonly shareIdentical: number;
  /** Where the set is a corpus. */
  readonly identicalBySplit: Readonly<Record<Split, number>> | null;
  /** Cells whose name the other set has, too. */
  readonly numSameName: number;
}

export interface OverlapOptions {
  /** Joins sets that name their genes differently. */
  readonly geneTable?: GeneTable | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

const NUM_EXAMPLES = 5;
/** Which genes a cell expresses says less than how much of each. */
const LEAST_EXPRESSED_TO_COMPARE = 30;

/**
 * Looks for cells that two sets share: a corpus and an evaluation file, two corpora, two files. Cells are compared over the
 * genes that both sets were seen to express, source by source of a corpus, so that a file that was cut to fewer genes is still
 * recognised.
 * @throws DataError for a set that cannot be read, or two without a gene in common
 */
export async function findOverlap(pathA: string, pathB: string, { geneTable, progress = silentProgress, signal }: OverlapOptions = {}): Promise<Overlap> {
  const sides: CellSet[] = [];
  try {
    for (const path of [pathA, pathB]) sides.push(await openCellSet(path));
    const [a, b] = sides as [CellSet, CellSet];
    const vocabulary = vocabularyFromGenes([a.genes], geneTable);
    const [idsOfA, idsOfB] = [mapGenes(a.genes, vocabulary, geneTable).vocabularyIds, mapGenes(b.genes, vocabulary, geneTable).vocabularyIds];
    const comparedBy = a.valueKind === 'counts' && b.valueKind === 'counts' ? 'counts' : 'expressed genes';
    const passes = (1 + b.parts.length) * a.numCells + (1 + a.parts.length) * b.numCells;
    const bar = progress.start('Compare cells', passes, 'cells');
    let done = 0;
    const onCell = (path: string): void => {
      if (++done % 4096 !== 0) return;
      if (signal?.aborted) throw new InterruptedError({ file: path, found: 'interrupted while comparing cells' });
      bar.update(done, path);
    };
    try {
      const seenInA = await Promise.all(a.parts.map((part) => seenGenes(part, idsOfA, vocabulary.size, () => onCell(a.path))));
      const seenInB = await Promise.all(b.parts.map((part) => seenGenes(part, idsOfB, vocabulary.size, () => onCell(b.path))));
      const found = [newTally(a.numCells), newTally(b.numCells)] as const;
      const examples: { a: string; b: string }[] = [];
      let numSharedGenes = 0;
      for (const [i, partA] of a.parts.entries()) {
        for (const [j, partB] of b.parts.entries()) {
          const isShared = seenInA[i]!.map((isSeen, id) => isSeen & seenInB[j]![id]!);
          numSharedGenes = Math.max(
            numSharedGenes,
            isShared.reduce((n, its) => n + its, 0),
          );
          const table = new HashTable(partB.numCells);
          await hashCells(partB, { ids: idsOfB, isShared, comparedBy }, (row, low, high) => {
            onCell(b.path);
            if (low === undefined) return;
            found[1].isCompared[row] = 1;
            table.addIfNew(low, high!, row);
          });
          const matched = new Set<number>();
          await hashCells(partA, { ids: idsOfA, isShared, comparedBy }, (row, low, high) => {
            onCell(a.path);
            if (low === undefined) return;
            found[0].isCompared[row] = 1;
            const twin = table.get(low, high!);
            if (twin < 0) return;
            found[0].isIdentical[row] = 1;
            matched.add(twin);
            if (examples.length < NUM_EXAMPLES) examples.push({ a: a.cellIds()[row]!, b: b.cellIds()[twin]! });
          });
          // Every cell of B that equals a matched one is a twin, too.
          if (matched.size > 0) {
            await hashCells(partB, { ids: idsOfB, isShared, comparedBy }, (row, low, high) => {
              if (low !== undefined && matched.has(table.get(low, high!))) found[1].isIdentical[row] = 1;
            });
          }
        }
      }
      if (numSharedGenes === 0) {
        throw new DataError({
          file: pathB,
          key: 'genes',
          found: `no gene in common with ${pathA}`,
          expected: 'genes that both express',
          hint: geneTable ? 'are they of one species?' : 'where one has symbols and the other Ensembl ids, pass a table of both with --gene-table',
        });
      }
      const [namesOfA, namesOfB] = [new Set(a.cellIds()), new Set(b.cellIds())];
      const describe = (set: CellSet, { isIdentical, isCompared }: Tally, others: ReadonlySet<string>): OverlapSide => {
        const numIdentical = sum(isIdentical);
        return {
          path: set.path,
          numCells: set.numCells,
          valueKind: set.valueKind,
          numCompared: sum(isCompared),
          numIdentical,
          shareIdentical: numIdentical / set.numCells,
          identicalBySplit:
            set.splitRows &&
            (Object.fromEntries(SPLITS.map((split) => [split, set.splitRows!(split).reduce((n, row) => n + isIdentical[row]!, 0)])) as Record<Split, number>),
          numSameName: set.cellIds().filter((name) => others.has(name)).length,
        };
      };
      return { a: describe(a, found[0], namesOfB), b: describe(b, found[1], namesOfA), numSharedGenes, comparedBy, examples };
    } finally {
      bar.update(passes);
      bar.stop();
    }
  } finally {
    for (const side of sides) side.close();
  }
}

interface Tally {
  readonly isCompared: Uint8Array;
  readonly isIdentical: Uint8Array;
}

function newTally(numCells: number): Tally {
  return { isCompared: new Uint8Array(numCells), isIdentical: new Uint8Array(numCells) };
}

function sum(flags: Uint8Array): number {
  return flags.reduce((n, flag) => n + flag, 0);
}

/** A corpus or a file, as far as comparing needs it. */
interface CellSet {
  readonly path: string;
  readonly numCells: number;
  readonly valueKind: ValueKind;
  readonly genes: GeneNames;
  /** Cells that were measured together: one for each source of a corpus. */
  readonly parts: readonly CellSetPart[];
  readonly cellIds: () => readonly string[];
  readonly splitRows: ((split: Split) => Int32Array) | null;
  readonly close: () => void;
}

interface CellSetPart {
  readonly numCells: number;
  /** Calls back for each cell with its row in the set, its genes by index into `genes`, and their values; views until the next call. */
  readonly forEachCell: (visit: (row: number, genes: Int32Array, values: ArrayLike<number>) => void) => Promise<void>;
}

async function openCellSet(path: string): Promise<CellSet> {
  return existsSync(join(path, MANIFEST_FILE)) ? corpusAsSet(path) : fileAsSet(path);
}

async function corpusAsSet(path: string): Promise<CellSet> {
  const corpus = await openCorpus(path);
  const { genes, firstGeneId } = corpus.vocabulary;
  let firstRow = 0;
  const parts = corpus.manifest.sources.map(({ numCellsKept }): CellSetPart => {
    const [start, end] = [firstRow, (firstRow += numCellsKept)];
    return {
      numCells: numCellsKept,
      forEachCell: async (visit) => {
        for (let row = start; row < end; row++) {
          const { geneIds, values } = corpus.readCell(row);
          visit(
            row,
            Int32Array.from(geneIds, (id) => id - firstGeneId),
            values,
          );
          if (row % 4096 === 0) await new Promise(setImmediate); // lets a signal in
        }
      },
    };
  });
  let names: readonly string[] | undefined;
  return {
    path,
    numCells: corpus.numCells,
    valueKind: corpus.scale.kind,
    genes: { names: genes.map(({ symbol, ensemblId }) => symbol || ensemblId), ensemblIds: genes.map(({ ensemblId }) => ensemblId) },
    parts,
    cellIds: () => (names ??= corpus.cellIds()),
    splitRows: (split) => corpus.splitRows(split),
    close: () => corpus.close(),
  };
}

async function fileAsSet(path: string): Promise<CellSet> {
  const file = await openCellFile(path);
  try {
    const { key, valueKind } = await chooseMatrix(file);
    const matrix = file.matrix(key);
    const forEachCell: CellSetPart['forEachCell'] = async (visit) => {
      for await (const { firstRow, numRows, indptr, indices, values } of matrix.rowBlocks()) {
        for (let r = 0; r < numRows; r++) visit(firstRow + r, indices.subarray(indptr[r]!, indptr[r + 1]!), values.subarray(indptr[r]!, indptr[r + 1]!));
      }
    };
    return {
      path,
      numCells: file.numCells,
      valueKind,
      genes: matrix.genes,
      parts: [{ numCells: file.numCells, forEachCell }],
      cellIds: () => file.cellIds,
      splitRows: null,
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** @returns [V] 1 for genes that some cell expresses */
async function seenGenes(part: CellSetPart, ids: Int32Array, vocabularySize: number, onCell: () => void): Promise<Uint8Array> {
  const isSeen = new Uint8Array(vocabularySize);
  await part.forEachCell((_, genes) => {
    for (const gene of genes) if (ids[gene]! >= 0) isSeen[ids[gene]!] = 1;
    onCell();
  });
  return isSeen;
}

interface HashRequest {
  readonly ids: Int32Array;
  readonly isShared: Uint8Array;
  readonly comparedBy: Overlap['comparedBy'];
}

/** Hands over the hash of each cell over the shared genes; undefined where the cell expresses too few of them. */
async function hashCells(
  part: CellSetPart,
  { ids, isShared, comparedBy }: HashRequest,
  visit: (row: number, low?: number, high?: number) => void,
): Promise<void> {
  const hash = new CellHash();
  const isByCounts = comparedBy === 'counts';
  const least = isByCounts ? LEAST_GENES_TO_COMPARE : LEAST_EXPRESSED_TO_COMPARE;
  const valueOf = new Map<number, number>();
  await part.forEachCell((row, genes, values) => {
    valueOf.clear();
    // Columns of one gene are one gene, whatever their order in the file.
    for (let i = 0; i < genes.length; i++) {
      const id = ids[genes[i]!]!;
      if (id >= 0 && isShared[id] === 1) valueOf.set(id, (valueOf.get(id) ?? 0) + values[i]!);
    }
    if (valueOf.size < least) return visit(row);
    hash.start();
    for (const id of Int32Array.from(valueOf.keys()).sort()) hash.add(id, isByCounts ? valueOf.get(id)! : 1);
    hash.finish();
    visit(row, hash.low, hash.high);
  });
}
