import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import { Vocabulary } from '../genes/vocabulary.js';
import { readGeneTable } from './gene-table.js';
import { GENES_FILE } from './manifest.js';

/** The gene list in a genes.tsv, in a corpus folder, or in a folder with a genes.tsv (a checkpoint). @throws DataError where there is none */
export async function readVocabulary(path: string): Promise<Vocabulary> {
  if (!existsSync(path)) throw new DataError({ file: path, found: 'no such file or folder', expected: 'a genes.tsv, or the folder of a corpus or checkpoint' });
  if (!statSync(path).isDirectory()) return Vocabulary.read(path);
  if (existsSync(join(path, GENES_FILE))) return (await readGeneTable(path)).vocabulary;
  if (existsSync(join(path, 'genes.tsv'))) return Vocabulary.read(join(path, 'genes.tsv'));
  throw new DataError({ file: path, found: `neither ${GENES_FILE} nor genes.tsv in it`, expected: 'the folder of a corpus or checkpoint' });
}
