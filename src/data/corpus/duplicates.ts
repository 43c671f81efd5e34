import { InterruptedError } from '../../errors.js';
import { silentProgress, type Progress } from '../../progress.js';
import type { Vocabulary } from '../genes/vocabulary.js';
import { RowTranslator } from '../loader/row-translator.js';
import { CellHash, HashTable } from './cell-hash.js';
import { convertBlock } from './convert-values.js';
import type { CorpusSource } from './write-corpus.js';

/** Cells with fewer genes than this agree by chance: they are never taken for each other. */
export const LEAST_GENES_TO_COMPARE = 10;

interface DuplicateOptions {
  readonly isLeftOut: (row: number) => boolean;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Rows whose values an earlier row has as well, over the genes that all files measure and as they would be stored. Values
 * are compared to the last bit of 32: the same counts are the same cell, the same cell normalised by two programs is not.
 */
export async function findDuplicates(
  sources: readonly CorpusSource[],
  vocabulary: Vocabulary,
  { isLeftOut, progress = silentProgress, signal }: DuplicateOptions,
): Promise<number[]> {
  const isShared = sharedGenes(
    sources.map(({ vocabularyIds }) => vocabularyIds),
    vocabulary.size,
  );
  const numRows = sources.reduce((n, { matrix }) => n + matrix.numCells, 0);
  const seen = new HashTable(Math.min(numRows, 1 << 20));
  const hash = new CellHash();
  const duplicates: number[] = [];
  const bar = progress.start('Look for duplicate cells', numRows, 'cells');
  try {
    let offset = 0;
    for (const { file, matrix, vocabularyIds, conversion } of sources) {
      const scale = conversion?.to ?? sources[0]!.scale;
      const translator = new RowTranslator(vocabularyIds, vocabulary.size, scale);
      for await (const read of matrix.rowBlocks()) {
        if (signal?.aborted)
          throw new InterruptedError({
            file: file.path,
            found: 'interrupted while looking for duplicate cells',
            hint: 'the same command starts this step again',
          });
        const block = conversion ? convertBlock(read, conversion) : read;
        for (let r = 0; r < block.numRows; r++) {
          const row = offset + block.firstRow + r;
          if (isLeftOut(row)) continue;
          const { geneIds, values } = translator.translate(block, r);
          hash.start();
          let numGenes = 0;
          for (let i = 0; i < geneIds.length; i++) {
            if (isShared[geneIds[i]!] !== 1) continue;
            hash.add(geneIds[i]!, values[i]!);
            numGenes++;
          }
          if (numGenes < LEAST_GENES_TO_COMPARE) continue;
          hash.finish();
          if (seen.addIfNew(hash.low, hash.high, row) >= 0) duplicates.push(row);
        }
        bar.update(offset + block.firstRow + block.numRows, file.path);
      }
      offset += matrix.numCells;
    }
  } finally {
    bar.stop();
  }
  return duplicates;
}

/** @returns [V] 1 for ids that every list has */
export function sharedGenes(lists: readonly Int32Array[], vocabularySize: number): Uint8Array {
  const isShared = new Uint8Array(vocabularySize).fill(1);
  for (const list of lists) {
    const isHere = new Uint8Array(vocabularySize);
    for (const id of list) if (id >= 0) isHere[id] = 1;
    for (let id = 0; id < vocabularySize; id++) isShared[id]! &= isHere[id]!;
  }
  return isShared;
}
