import { DataError } from '../../errors.js';
import { isEnsemblId, withoutVersion } from './gene-ids.js';
import { readText } from './read-gene-table.js';
import { Vocabulary, type VocabularyGene } from './vocabulary.js';

/** Ids in front of the first gene and behind the last: padding, mask; pad-fill, begin, end. */
const NUM_BEFORE = 2;
const NUM_SPECIAL = 5;

/**
 * The genes behind the embedding rows of released weights, in order, from whatever the release calls them: the genes.tsv of checkpoints, a JSON
 * object of ids by gene name, a JSON list or a text of one gene a line. A list or text holds the genes alone, or one entry for every id.
 * @param size number of ids, special ones included (VOCAB_SIZE)
 * @throws DataError when the file does not name every gene exactly once
 */
export async function readGeneOrder(file: string, size: number): Promise<Vocabulary> {
  const text = await readText(file);
  if (/^id\tsymbol\tensembl_id\r?\n/.test(text)) return checked(Vocabulary.parseTsv(text, file), size, file);
  const names = /^\s*[[{]/.test(text)
    ? namesOfJson(text, size, file)
    : text
        .trimEnd()
        .split(/\r?\n/)
        .map((line) => line.trim());
  if (names.length !== size && names.length !== size - NUM_SPECIAL)
    throw new DataError({ file, found: `${names.length} genes`, expected: `${size - NUM_SPECIAL}, or ${size} with the special ids` });
  const genes = names.length === size ? names.slice(NUM_BEFORE, size - NUM_SPECIAL + NUM_BEFORE) : names;
  const empty = genes.findIndex((name) => name === '' || /[\t\n]/.test(name));
  if (empty >= 0) throw new DataError({ file, key: `gene ${empty + 1}`, found: JSON.stringify(genes[empty]), expected: 'a symbol or an Ensembl id' });
  return new Vocabulary(
    genes.map((name): VocabularyGene => (isEnsemblId(name) ? { symbol: '', ensemblId: withoutVersion(name) } : { symbol: name, ensemblId: '' })),
  );
}

function checked(vocabulary: Vocabulary, size: number, file: string): Vocabulary {
  if (vocabulary.size !== size)
    throw new DataError({ file, found: `${vocabulary.genes.length} genes`, expected: `${size - NUM_SPECIAL} by VOCAB_SIZE of config.json` });
  return vocabulary;
}

function namesOfJson(text: string, size: number, file: string): string[] {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new DataError({ file, found: `not JSON: ${(cause as Error).message}`, cause });
  }
  if (Array.isArray(raw)) {
    const other = raw.findIndex((name) => typeof name !== 'string');
    if (other >= 0) throw new DataError({ file, key: `entry ${other + 1}`, found: JSON.stringify(raw[other]).slice(0, 60), expected: 'the name of a gene' });
    return raw as string[];
  }
  const byId = new Map<number, string>();
  for (const [name, id] of Object.entries(raw as Record<string, unknown>)) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= size)
      throw new DataError({ file, key: name, found: JSON.stringify(id).slice(0, 60), expected: `an id from 0 to ${size - 1}` });
    const twin = byId.get(id as number);
    if (twin !== undefined) throw new DataError({ file, key: name, found: `id ${id as number}, which ${twin} has`, expected: 'one gene an id' });
    byId.set(id as number, name);
  }
  return Array.from({ length: size - NUM_SPECIAL }, (_, i) => {
    const name = byId.get(NUM_BEFORE + i);
    if (name === undefined)
      throw new DataError({
        file,
        key: `id ${NUM_BEFORE + i}`,
        found: 'no gene',
        expected: `one for each id from ${NUM_BEFORE} to ${size - NUM_SPECIAL + NUM_BEFORE - 1}`,
      });
    return name;
  });
}
