import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../../errors.js';

/** The three files of a 10x matrix folder. */
export interface MtxFiles {
  readonly matrix: string;
  readonly barcodes: string;
  readonly features: string;
}

const MATRIX = /^(.*?)matrix\.mtx(\.gz)?$/i;
const BARCODES = ['barcodes.tsv', 'barcodes.txt'];
const FEATURES = ['features.tsv', 'genes.tsv', 'features.txt', 'genes.txt'];

/**
 * The files that belong together: `matrix.mtx`, `barcodes.tsv` and `features.tsv` (`genes.tsv` before Cell Ranger 3), each perhaps
 * with .gz, perhaps all with one prefix (`GSM123_matrix.mtx.gz`) as public archives name them.
 * @param path the folder, or its .mtx file
 * @throws DataError naming what is missing, or the matrices there are when there are several
 */
export async function findMtxFiles(path: string): Promise<MtxFiles> {
  const isFolder = (await stat(path)).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const names = await readdir(folder);
  const matrices = isFolder ? names.filter((name) => MATRIX.test(name)) : [basename(path)];
  if (matrices.length === 0)
    throw new DataError({
      file: path,
      found: `is a folder without matrix.mtx: it holds ${names.slice(0, 6).join(', ') || 'nothing'}`,
      expected: 'a 10x matrix folder or a Zarr folder',
    });
  if (matrices.length > 1)
    throw new DataError({
      file: path,
      found: `holds ${matrices.length} matrices: ${matrices.slice(0, 4).join(', ')}`,
      expected: 'one',
      hint: 'name the .mtx file you mean',
    });
  const matrix = matrices[0]!;
  const prefix = MATRIX.exec(matrix)?.[1] ?? '';
  const beside = (wanted: readonly string[]): string => {
    const found = wanted.flatMap((name) => [`${prefix}${name}`, `${prefix}${name}.gz`]).find((name) => names.includes(name));
    if (found === undefined)
      throw new DataError({
        file: join(folder, matrix),
        found: `there is no ${prefix}${wanted[0]} (.gz) beside it`,
        expected: wanted.map((name) => prefix + name).join(' or '),
        hint: 'keep the three files of a matrix in one folder',
      });
    return join(folder, found);
  };
  return { matrix: join(folder, matrix), barcodes: beside(BARCODES), features: beside(FEATURES) };
}
