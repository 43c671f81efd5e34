import { texts, type Frame } from './anndata-frame.js';
import type { GeneNames } from './reader.js';

/** Columns of var that hold gene symbols or Ensembl ids, as scanpy, CELLxGENE, Seurat and 10x call them, lower case, best first. */
const SYMBOL_COLUMNS = [
  'feature_name',
  'gene_symbols',
  'gene_symbol',
  'symbol',
  'symbols',
  'hgnc_symbol',
  'gene_name',
  'gene_names',
  'gene_short_name',
  'genesymbol',
  'gene',
  'name',
];
const ENSEMBL_COLUMNS = ['gene_ids', 'gene_id', 'ensembl_id', 'ensembl_ids', 'ensembl', 'ensembl_gene_id', 'feature_id', 'geneid', 'ensg', 'id', 'ids'];
const ENSEMBL_ID = /^ENS[A-Z]*G\d{6,}(\.\d+)?$/;

/** The genes of a var table: its index, and symbols and Ensembl ids where a column beside the index holds them. */
export function readGeneNames(frame: Frame): GeneNames {
  const symbols = findColumn(frame, SYMBOL_COLUMNS, (names) => !areEnsemblIds(names));
  const ensemblIds = findColumn(frame, ENSEMBL_COLUMNS, areEnsemblIds);
  return { names: frame.index, ...(symbols && { symbols }), ...(ensemblIds && { ensemblIds }) };
}

/** Whether most of the names that are there have the form of Ensembl gene ids. */
export function areEnsemblIds(names: readonly string[]): boolean {
  const filled = names.filter((name) => name !== '');
  return filled.length > 0 && filled.filter((name) => ENSEMBL_ID.test(name)).length * 2 > filled.length;
}

/** The first of `candidates` that is a text column, filled for the most part, and looks right. */
function findColumn(frame: Frame, candidates: readonly string[], looksRight: (names: readonly string[]) => boolean): string[] | undefined {
  for (const candidate of candidates) {
    const key = frame.keys.find((name) => name.toLowerCase() === candidate);
    if (key === undefined) continue;
    const column = frame.column(key);
    if (column.kind !== 'string' && column.kind !== 'categorical') continue;
    const names = texts(column);
    if (names.filter((name) => name !== '').length * 2 > names.length && looksRight(names)) return names;
  }
  return undefined;
}
