import { DataError } from '../../errors.js';
import { geneIdKind, isEnsemblId } from '../genes/gene-ids.js';

/** Which of the two axes of a table the genes are on. */
export type Orientation = 'genes-in-columns' | 'genes-in-rows';
export const ORIENTATIONS: readonly Orientation[] = ['genes-in-columns', 'genes-in-rows'];

/** Sequences of bases, as droplet barcodes are, with what programs add to them. */
const BARCODE = /(^|[^A-Z])[ACGTN]{8,}([-_.]\w+)*$/;
/** Genes that nearly every table of expression holds, in human and mouse alike. */
const COMMON_GENES = new Set([
  'ACTB',
  'GAPDH',
  'B2M',
  'MALAT1',
  'EEF1A1',
  'RPLP0',
  'RPL13',
  'RPS18',
  'TPT1',
  'FTL',
  'FTH1',
  'TMSB4X',
  'CD74',
  'VIM',
  'HSP90AB1',
  'CD3E',
  'CD3D',
  'LYZ',
  'NKG7',
  'MS4A1',
  'CD8A',
  'PPBP',
  'EPCAM',
  'COL1A1',
  'SOX2',
  'PAX6',
  'GATA1',
  'MKI67',
]);

/**
 * Tells where the genes are by what the names look like: Ensembl ids first, then genes everybody measures, then the form of the names.
 * @throws DataError where both or neither look like genes, naming the way to say it
 */
export function tellOrientation(file: string, rowNames: readonly string[], columnNames: readonly string[]): { orientation: Orientation; evidence: string } {
  const [rows, columns] = [likeness(rowNames), likeness(columnNames)];
  if (rows.score === columns.score) {
    const what = rows.score > 0 ? 'the names of rows and of columns both look like genes' : 'neither the names of rows nor those of columns look like genes';
    throw new DataError({
      file,
      found: `${what} (rows '${rowNames.slice(0, 2).join("', '")}', columns '${columnNames.slice(0, 2).join("', '")}')`,
      expected: 'genes on one axis',
      hint: `say where they are: '${file}#genes-in-rows' or '${file}#genes-in-columns'`,
    });
  }
  const isInRows = rows.score > columns.score;
  return { orientation: isInRows ? 'genes-in-rows' : 'genes-in-columns', evidence: isInRows ? rows.evidence : columns.evidence };
}

function likeness(names: readonly string[]): { score: number; evidence: string } {
  if (names.length === 0) return { score: 0, evidence: '' };
  const share = (isOne: (name: string) => boolean): number => names.filter(isOne).length / names.length;
  if (share(isEnsemblId) >= 0.1) return { score: 3, evidence: 'Ensembl ids' };
  if (share((name) => BARCODE.test(name)) >= 0.5) return { score: 0, evidence: '' };
  const common = names.filter((name) => COMMON_GENES.has(name.toUpperCase()));
  if (common.length > 0) return { score: 2, evidence: common.slice(0, 3).join(', ') };
  return geneIdKind(names).kind === 'symbol' ? { score: 1, evidence: 'names in the form of gene symbols' } : { score: 0, evidence: '' };
}
