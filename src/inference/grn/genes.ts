import { DataError } from '../../errors.js';
import type { Vocabulary } from '../../data/genes/vocabulary.js';

/** The genes of a network, and those among them that may regulate. */
export interface NetworkGenes {
  readonly genes: readonly string[];
  /** Indices into genes. */
  readonly regulators: readonly number[];
  /** Vocabulary id of each gene. */
  readonly ids: Int32Array;
  /** By vocabulary id: index of the gene, -1 for others. */
  geneAt(id: number): number;
  /** By vocabulary id: index among the regulators, -1 for others. */
  regulatorAt(id: number): number;
}

/**
 * @param ids vocabulary ids of the genes, those that cells express
 * @param regulators names of transcription factors; undefined: every gene may regulate
 * @throws DataError when no regulator is among the genes
 */
export function networkGenes(
  ids: ArrayLike<number>,
  vocabulary: Vocabulary,
  regulators: readonly string[] | undefined,
  file: string | undefined,
): NetworkGenes {
  const geneAt = new Int32Array(vocabulary.size).fill(-1);
  const regulatorAt = new Int32Array(vocabulary.size).fill(-1);
  Array.from(ids).forEach((id, i) => (geneAt[id] = i));
  const chosen =
    regulators === undefined
      ? Array.from(ids)
      : [...new Set(regulators.map((name) => vocabulary.idOf(name)))].filter((id): id is number => id !== undefined && geneAt[id]! >= 0);
  if (chosen.length === 0)
    throw new DataError({
      file,
      found: `none of its ${regulators?.length ?? 0} genes is expressed in these cells`,
      expected: 'transcription factors by the names of the model’s vocabulary',
    });
  chosen.forEach((id, i) => (regulatorAt[id] = i));
  return {
    genes: Array.from(ids, (id) => vocabulary.gene(id).symbol || vocabulary.gene(id).ensemblId),
    regulators: chosen.map((id) => geneAt[id]!),
    ids: Int32Array.from(ids),
    geneAt: (id) => geneAt[id]!,
    regulatorAt: (id) => regulatorAt[id]!,
  };
}
