import { DataError } from '../../errors.js';
import type { GeneNames } from '../readers/reader.js';
import { isEnsemblId, withoutVersion } from './gene-ids.js';
import type { GeneTable, NameKind } from './gene-table.js';
import { Vocabulary, type VocabularyGene } from './vocabulary.js';

/**
 * The genes of several files as one vocabulary, in the order in which they are first seen. Two entries are the same gene
 * when their Ensembl ids agree, or their symbols where one of them has no Ensembl id; what one file lacks of a gene's names
 * another one fills in. With a table, genes get the names they have there, so that files of symbols, old symbols and Ensembl
 * ids meet; a name that several genes share, or that a file has beside the gene's current one, stays as it is.
 * @throws DataError when there is no gene at all
 */
export function vocabularyFromGenes(files: readonly GeneNames[], table?: GeneTable): Vocabulary {
  const genes: { symbol: string; ensemblId: string }[] = [];
  const byEnsembl = new Map<string, number>();
  const bySymbol = new Map<string, number>();
  for (const file of files) {
    const current = table && currentNames(file, table);
    for (let column = 0; column < file.names.length; column++) {
      const gene = current?.[column] ?? namesOf(file, column);
      if (!gene.symbol && !gene.ensemblId) continue;
      const known = findKnown(gene);
      const at = known ?? genes.push({ ...gene }) - 1;
      const entry = genes[at]!;
      entry.symbol ||= gene.symbol;
      entry.ensemblId ||= gene.ensemblId;
      if (entry.symbol && !bySymbol.has(entry.symbol)) bySymbol.set(entry.symbol, at);
      if (entry.ensemblId && !byEnsembl.has(entry.ensemblId)) byEnsembl.set(entry.ensemblId, at);
    }
  }
  if (genes.length === 0) throw new DataError({ key: 'genes', found: 'no gene in any file', expected: 'symbols or Ensembl ids in var_names' });
  return new Vocabulary(genes);

  function findKnown({ symbol, ensemblId }: VocabularyGene): number | undefined {
    const sameId = ensemblId ? byEnsembl.get(ensemblId) : undefined;
    if (sameId !== undefined) return sameId;
    const sameSymbol = symbol ? bySymbol.get(symbol) : undefined;
    return sameSymbol !== undefined && (!ensemblId || !genes[sameSymbol]!.ensemblId) ? sameSymbol : undefined;
  }
}

/** The names of each column's gene in the table; undefined where its own names stay. */
function currentNames(file: GeneNames, table: GeneTable): (VocabularyGene | undefined)[] {
  const found = file.names.map((_, column) => {
    const { symbol, ensemblId } = namesOf(file, column);
    const resolutions = [ensemblId, symbol].map((name) => table.resolve(name));
    return resolutions.find((its) => its !== undefined && its.kind !== 'ambiguous');
  });
  const isCurrent = (kind: NameKind): boolean => kind === 'ensemblId' || kind === 'symbol';
  const taken = new Set(found.flatMap((its) => (its && isCurrent(its.kind) ? [its.gene] : [])));
  return found.map((its, column) => {
    if (!its || (!isCurrent(its.kind) && taken.has(its.gene))) return undefined;
    const { symbol, ensemblId } = table.genes[its.gene]!;
    // The table may know less than the file.
    const own = namesOf(file, column);
    return { symbol: symbol || own.symbol, ensemblId: ensemblId || own.ensemblId };
  });
}

/** A gene's symbol and Ensembl id, wherever the file keeps them; '' for what it does not tell. */
export function namesOf(genes: GeneNames, column: number): VocabularyGene {
  const name = genes.names[column]!;
  const beside = genes.ensemblIds?.[column] ?? '';
  if (isEnsemblId(name)) {
    const symbol = genes.symbols?.[column] ?? '';
    // CELLxGENE repeats the id where a gene has no symbol.
    return { symbol: isEnsemblId(symbol) ? '' : symbol, ensemblId: withoutVersion(name) };
  }
  return { symbol: name, ensemblId: isEnsemblId(beside) ? withoutVersion(beside) : '' };
}
