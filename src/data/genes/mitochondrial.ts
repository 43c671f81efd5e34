import type { GeneNames } from '../readers/reader.js';
import { withoutVersion } from './gene-ids.js';

/** Human and mouse symbols alike: MT-ND1, mt-Nd1. Some pipelines write a dot or a colon for the hyphen. */
const SYMBOL = /^mt[-.:]/i;

/** The 13 proteins and 2 ribosomal RNAs of the human mitochondrial genome, where a file has Ensembl ids alone; its transfer RNAs are too short to be counted. */
const HUMAN_ENSEMBL_IDS = new Set([
  'ENSG00000198888',
  'ENSG00000198763',
  'ENSG00000198804',
  'ENSG00000198712',
  'ENSG00000228253',
  'ENSG00000198899',
  'ENSG00000198938',
  'ENSG00000198840',
  'ENSG00000212907',
  'ENSG00000198886',
  'ENSG00000198786',
  'ENSG00000198695',
  'ENSG00000198727',
  'ENSG00000211459',
  'ENSG00000210082',
]);

/** @returns [numGenes] 1 for columns of mitochondrial genes; undefined where none can be recognised */
export function mitochondrialColumns(genes: GeneNames): Uint8Array | undefined {
  const isMitochondrial = Uint8Array.from(genes.names, (name, column) => {
    const names = [name, genes.symbols?.[column] ?? '', genes.ensemblIds?.[column] ?? ''];
    return Number(names.some((its) => SYMBOL.test(its) || HUMAN_ENSEMBL_IDS.has(withoutVersion(its))));
  });
  return isMitochondrial.includes(1) ? isMitochondrial : undefined;
}
