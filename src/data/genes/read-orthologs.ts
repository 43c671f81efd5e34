import { DataError } from '../../errors.js';
import { geneIdKind, isEnsemblId, withoutVersion } from './gene-ids.js';
import { OrthologTable, type OrthologPair } from './orthologs.js';
import { readText } from './read-gene-table.js';
import type { VocabularyGene } from './vocabulary.js';

/** Columns of one species. */
interface SpeciesColumns {
  symbol?: number;
  ensemblId?: number;
}

/**
 * A table of orthologs from a file, which may be gzipped:
 * - an Ensembl BioMart export with the columns of both species (`Gene stable ID`, `Gene name`, `Mouse gene stable ID`, `Mouse gene name`), from
 *   either side, or any table whose header names columns `human…` and those of the other species (`human_symbol`, `mouse_symbol`);
 * - the homology report of Mouse Genome Informatics (`DB Class Key`, `Common Organism Name`, `Symbol`);
 * - two columns without a header; which of them is human is told from the names.
 * @throws DataError for a file that is none of these, or has no pair
 */
export async function readOrthologs(file: string): Promise<OrthologTable> {
  const text = await readText(file);
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'));
  const separator = lines[0]?.includes('\t') ? '\t' : ',';
  const rows = lines.map((line) =>
    line.split(separator).map((field) =>
      field
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim(),
    ),
  );
  const [header] = rows;
  if (!header || header.length < 2) throw unknownTable(file, header);
  const plain = header.map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, ''));
  const pairs = plain.includes('dbclasskey')
    ? homologyClasses(rows, plain, file)
    : isHeader(plain)
      ? columnPairs(rows.slice(1), header, plain, file)
      : barePairs(rows, file);
  const table = new OrthologTable(pairs, file);
  if (table.numOneToOne === 0)
    throw new DataError({ file, found: 'no one-to-one pair of genes in it', expected: 'a gene and its human ortholog in each line' });
  return table;
}

const SYMBOL = /(symbol|genename|associatedgenename)$/;
const ENSEMBL = /(genestableid|ensemblgeneid|ensemblid|ensembl|geneid)$/;
const isHeader = (plain: readonly string[]): boolean => plain.some((name) => SYMBOL.test(name) || ENSEMBL.test(name) || name === 'human');

function columnPairs(rows: readonly (readonly string[])[], header: readonly string[], plain: readonly string[], file: string): OrthologPair[] {
  const isHuman = (name: string): boolean => /^(human|hsapiens|homosapiens|hgnc|hs(?=symbol|ensembl|gene))/.test(name) || /human/.test(name);
  // BioMart names the columns of the species that was asked about without it.
  const bare = (name: string): boolean => /^(genestableid|genename|symbol|genesymbol|ensemblgeneid|ensemblid|geneid|externalgenename)$/.test(name);
  const namesHuman = plain.some((name) => isHuman(name) && (SYMBOL.test(name) || ENSEMBL.test(name) || name === 'human'));
  const [human, source]: [SpeciesColumns, SpeciesColumns] = [{}, {}];
  plain.forEach((name, at) => {
    if (/version$|transcript|protein|entrez/.test(name)) return;
    const side = isHuman(name) || (!namesHuman && bare(name)) ? human : source;
    if (SYMBOL.test(name) || name === 'human' || (name === 'mouse' && side === source)) side.symbol ??= at;
    else if (ENSEMBL.test(name)) side.ensemblId ??= at;
  });
  if ((human.symbol ?? human.ensemblId) === undefined || (source.symbol ?? source.ensemblId) === undefined) throw unknownTable(file, header);
  return rows.map((fields) => ({ human: geneOf(fields, human), source: geneOf(fields, source) })).filter(({ source: gene }) => gene.symbol || gene.ensemblId);
}

function geneOf(fields: readonly string[], { symbol, ensemblId }: SpeciesColumns): VocabularyGene {
  const field = (at: number | undefined): string => {
    const text = at === undefined ? '' : (fields[at] ?? '');
    return /^(na|n\/a|-|null)$/i.test(text) ? '' : text;
  };
  const id = withoutVersion(field(ensemblId));
  return { symbol: field(symbol), ensemblId: isEnsemblId(id) ? id : '' };
}

/** Lines of a homology class, one gene each: every pair of a human and another gene of a class. */
function homologyClasses(rows: readonly (readonly string[])[], plain: readonly string[], file: string): OrthologPair[] {
  const at = (name: string): number => {
    const found = plain.indexOf(name);
    if (found < 0) throw unknownTable(file, rows[0]);
    return found;
  };
  const [key, organism, symbol] = [at('dbclasskey'), at('commonorganismname'), at('symbol')];
  const classes = new Map<string, { human: string[]; other: string[] }>();
  const species = new Set<string>();
  for (const fields of rows.slice(1)) {
    const name = fields[organism] ?? '';
    const one = classes.get(fields[key] ?? '') ?? { human: [], other: [] };
    classes.set(fields[key] ?? '', one);
    if (name === 'human') one.human.push(fields[symbol] ?? '');
    else {
      species.add(name);
      one.other.push(fields[symbol] ?? '');
    }
  }
  if (species.size !== 1)
    throw new DataError({
      file,
      key: 'Common Organism Name',
      found: species.size === 0 ? 'human genes alone' : `${species.size} species beside human (${[...species].slice(0, 4).join(', ')})`,
      expected: 'one',
      hint: 'keep the lines of human and one other species',
    });
  const gene = (name: string): VocabularyGene => ({ symbol: name, ensemblId: '' });
  return [...classes.values()].flatMap(({ human, other }) =>
    other.flatMap((source) => (human.length ? human : ['']).map((its) => ({ source: gene(source), human: gene(its) }))),
  );
}

/** Two columns without names: the one written like human genes is the human one, the first where that cannot be told. */
function barePairs(rows: readonly (readonly string[])[], file: string): OrthologPair[] {
  if (rows.some(({ length }) => length !== 2))
    throw unknownTable(
      file,
      rows.find(({ length }) => length !== 2),
    );
  const names = (column: 0 | 1): string[] => rows.map((fields) => fields[column]!).filter(Boolean);
  const isSecondHuman = geneIdKind(names(1)).species === 'human' && geneIdKind(names(0)).species !== 'human';
  const gene = (name: string): VocabularyGene => (isEnsemblId(name) ? { symbol: '', ensemblId: withoutVersion(name) } : { symbol: name, ensemblId: '' });
  return rows
    .map(([a = '', b = '']) => (isSecondHuman ? { human: gene(b), source: gene(a) } : { human: gene(a), source: gene(b) }))
    .filter(({ source }) => source.symbol || source.ensemblId);
}

function unknownTable(file: string, header: readonly string[] | undefined): DataError {
  return new DataError({
    file,
    key: 'line 1',
    found: header ? `the columns ${header.slice(0, 6).join(', ')}` : 'no line in it',
    expected:
      'columns of human and of another species’ genes (BioMart: Gene stable ID, Gene name, Mouse gene stable ID, Mouse gene name), or two columns of names alone',
  });
}
