import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '../../errors.js';
import { isEnsemblId, withoutVersion } from './gene-ids.js';
import { mergeGenes, type GeneTable, type KnownGene } from './gene-table.js';

/** Names of the columns that are understood, lower case, letters and digits alone: HGNC, Ensembl BioMart, GENCODE exports, our own. */
const COLUMN_NAMES = {
  symbol: ['symbol', 'approvedsymbol', 'genesymbol', 'hgncsymbol', 'genename', 'externalgenename', 'featurename'],
  ensemblId: ['ensemblgeneid', 'ensemblid', 'genestableid', 'genestableidversion', 'ensemblgeneidversion', 'geneid', 'featureid', 'ensembl'],
  previous: ['prevsymbol', 'previoussymbol', 'previoussymbols', 'prevsymbols'],
  aliases: ['aliassymbol', 'aliassymbols', 'aliases', 'alias', 'genesynonym', 'synonym', 'synonyms'],
  status: ['status'],
} as const;
type Column = keyof typeof COLUMN_NAMES;

/**
 * One table of genes from one or more files, the first having the last word on symbols. Each may be gzipped: an HGNC table
 * (complete set or custom download), an Ensembl BioMart export, a GTF, lines that start with an Ensembl id and a symbol, or
 * the TSV that `scdiva data genes` writes.
 * @throws DataError for a file that is none of these
 */
export async function readGeneTable(files: readonly string[]): Promise<GeneTable> {
  const lists: KnownGene[][] = [];
  for (const file of files) lists.push(parseGenes(await readText(file), file));
  return mergeGenes(lists);
}

/** The text of a file that may be gzipped. @throws DataError where it cannot be read */
export async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    return (bytes[0] === 0x1f && bytes[1] === 0x8b ? await promisify(gunzip)(bytes) : bytes).toString('utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new DataError({
      file,
      found: code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code ?? (cause as Error).message})`,
      expected: 'a table of genes',
      cause,
    });
  }
}

/** The genes of one file, in its order. @throws DataError for a file without genes, or of another kind */
export function parseGenes(text: string, file: string): KnownGene[] {
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'));
  const [first] = lines;
  if (first === undefined) throw new DataError({ file, found: 'no line in it', expected: 'a table of genes' });
  const genes = isGtfLine(first) ? parseGtf(lines) : parseColumns(lines, file);
  if (genes.length === 0) throw new DataError({ file, found: 'no gene in it', expected: 'symbols or Ensembl ids' });
  return genes;
}

/** seqname, source, feature, start, end, score, strand, frame, attributes. */
function isGtfLine(line: string): boolean {
  const fields = line.split('\t');
  return fields.length === 9 && /^\d+$/.test(fields[3]!) && /\bgene_id\b/.test(fields[8]!);
}

function parseGtf(lines: readonly string[]): KnownGene[] {
  const genes: KnownGene[] = [];
  for (const line of lines) {
    const [, , feature, , , , , , attributes = ''] = line.split('\t');
    if (feature !== 'gene') continue;
    const [, id = ''] = /\bgene_id "?([^";]+)/.exec(attributes) ?? [];
    const [, name = ''] = /\bgene_name "?([^";]+)/.exec(attributes) ?? [];
    genes.push({ symbol: isEnsemblId(name) ? '' : name, ensemblId: isEnsemblId(id) ? withoutVersion(id) : '', previous: [], aliases: [] });
  }
  return genes.filter(({ symbol, ensemblId }) => symbol || ensemblId);
}

function parseColumns(lines: readonly string[], file: string): KnownGene[] {
  const separator = lines[0]!.includes('\t') ? '\t' : ',';
  const fieldsOf = (line: string): string[] =>
    line.split(separator).map((field) =>
      field
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim(),
    );
  const header = fieldsOf(lines[0]!);
  const hasHeader = !header.some(isEnsemblId);
  const at = hasHeader ? columnsOf(header) : { ensemblId: header.findIndex(isEnsemblId), symbol: header.findIndex(isEnsemblId) === 0 ? 1 : 0 };
  if (at.symbol === undefined && at.ensemblId === undefined) {
    throw new DataError({
      file,
      key: 'line 1',
      found: `the columns ${header.slice(0, 6).join(', ')}`,
      expected: 'a column of symbols or Ensembl ids, such as symbol and ensembl_gene_id (HGNC), Gene name and Gene stable ID (BioMart); or a GTF',
    });
  }
  return (hasHeader ? lines.slice(1) : lines).flatMap((line, i): KnownGene[] => {
    const fields = fieldsOf(line);
    const field = (column: Column): string => (at[column] === undefined ? '' : (fields[at[column]] ?? ''));
    if (/withdrawn/i.test(field('status'))) return [];
    const ensemblId = withoutVersion(field('ensemblId'));
    if (ensemblId !== '' && !isEnsemblId(ensemblId)) {
      throw new DataError({
        file,
        key: `line ${i + (hasHeader ? 2 : 1)}`,
        found: `'${ensemblId}' in the column of Ensembl ids`,
        expected: 'such as ENSG00000198851',
      });
    }
    const symbol = isEnsemblId(field('symbol')) ? '' : field('symbol');
    return symbol || ensemblId ? [{ symbol, ensemblId, previous: namesIn(field('previous')), aliases: namesIn(field('aliases')) }] : [];
  });
}

function columnsOf(header: readonly string[]): Partial<Record<Column, number>> {
  const plain = header.map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, ''));
  const found: Partial<Record<Column, number>> = {};
  for (const column of Object.keys(COLUMN_NAMES) as Column[]) {
    const name = COLUMN_NAMES[column].find((candidate) => plain.includes(candidate));
    if (name !== undefined) found[column] = plain.indexOf(name);
  }
  return found;
}

/** HGNC joins names by `|` in its complete set and by a comma in its custom downloads. */
function namesIn(field: string): string[] {
  return field
    .split(/\||, ?/)
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
