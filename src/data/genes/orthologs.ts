import { createHash } from 'node:crypto';
import type { CellFile, CellMatrix, GeneNames } from '../readers/reader.js';
import { DataError } from '../../errors.js';
import { withoutVersion } from './gene-ids.js';
import type { VocabularyGene } from './vocabulary.js';

/** A gene of another species and one of its human orthologs. */
export interface OrthologPair {
  readonly source: VocabularyGene;
  readonly human: VocabularyGene;
}

/** Why a gene of another species stands for no human gene. */
export type NoOrtholog = 'no ortholog' | 'several orthologs';

/**
 * Human orthologs of another species' genes. Only one-to-one orthologs are translated: a gene with several human orthologs, and genes that share
 * one, are left out, as what one of them does the other need not. A table may list a pair several times.
 */
export class OrthologTable {
  /** sha256 over the pairs: two builds translated alike when this is equal. */
  readonly hash: string;
  /** Genes of the other species with exactly one human ortholog that is no other gene's. */
  readonly numOneToOne: number;
  private readonly byName = new Map<string, VocabularyGene | NoOrtholog>();
  private readonly humanNames = new Set<string>();

  constructor(
    pairs: readonly OrthologPair[],
    readonly file: string,
  ) {
    const humansOf = new Map<string, Map<string, VocabularyGene>>();
    const sourcesOf = new Map<string, Set<string>>();
    const namesOf = new Map<string, Set<string>>();
    for (const { source, human } of pairs) {
      const [from, to] = [keyOf(source), keyOf(human)];
      for (const name of [source.symbol, source.ensemblId]) if (name) entry(namesOf, from, () => new Set<string>()).add(name);
      for (const name of [human.symbol, human.ensemblId]) if (name) this.humanNames.add(name);
      if (!to) continue;
      entry(humansOf, from, () => new Map<string, VocabularyGene>()).set(to, human);
      entry(sourcesOf, to, () => new Set<string>()).add(from);
    }
    let numOneToOne = 0;
    for (const [from, names] of namesOf) {
      const humans = [...(humansOf.get(from) ?? [])];
      const [only] = humans;
      const isOneToOne = humans.length === 1 && sourcesOf.get(only![0])!.size === 1;
      if (isOneToOne) numOneToOne++;
      const fate = isOneToOne ? only![1] : humans.length === 0 ? 'no ortholog' : 'several orthologs';
      for (const name of names) {
        const before = this.byName.get(name);
        // A symbol that two genes share: which one a file means cannot be told.
        this.byName.set(name, before !== undefined && before !== fate ? 'several orthologs' : fate);
      }
    }
    this.numOneToOne = numOneToOne;
    this.hash = createHash('sha256').update(JSON.stringify(pairs)).digest('hex');
  }

  /** The human gene of the first of these names that the table has. */
  resolve(names: readonly string[]): VocabularyGene | NoOrtholog {
    for (const name of names) {
      const found = this.byName.get(withoutVersion(name));
      if (found !== undefined) return found;
    }
    return 'no ortholog';
  }

  /** Whether more of a file's names are the other species' than human. */
  isOfSource(genes: GeneNames): boolean {
    let [numSource, numHuman] = [0, 0];
    for (let column = 0; column < genes.names.length; column++) {
      const names = namesAt(genes, column).map(withoutVersion);
      if (names.some((name) => this.byName.has(name))) numSource++;
      if (names.some((name) => this.humanNames.has(name))) numHuman++;
    }
    return numSource > numHuman;
  }

  /** Whether the table has a human gene of this name. */
  hasHuman(name: string): boolean {
    return this.humanNames.has(withoutVersion(name));
  }
}

/** What became of the genes of one matrix. */
export interface Translation {
  readonly genes: GeneNames;
  readonly numTranslated: number;
  readonly numWithout: number;
  readonly numWithSeveral: number;
}

/** Genes under the names of their human orthologs; those without one keep their name and say why they have none. */
export function translateGenes(genes: GeneNames, table: OrthologTable): Translation {
  const fates = genes.names.map((_, column) => table.resolve(namesAt(genes, column)));
  const count = (fate: NoOrtholog): number => fates.filter((its) => its === fate).length;
  const human = (column: number): VocabularyGene | undefined => (typeof fates[column] === 'object' ? fates[column] : undefined);
  const [numWithout, numWithSeveral] = [count('no ortholog'), count('several orthologs')];
  return {
    genes: {
      names: genes.names.map((name, column) => human(column)?.symbol || human(column)?.ensemblId || name),
      ensemblIds: genes.names.map((_, column) => human(column)?.ensemblId ?? ''),
      lost: fates.map((fate) => (typeof fate === 'string' ? fate : undefined)),
    },
    numTranslated: fates.length - numWithout - numWithSeveral,
    numWithout,
    numWithSeveral,
  };
}

/**
 * A file of another species' cells as one of human cells: every matrix has the names of human orthologs, and the notes say how many genes have one.
 * A file whose names are human stays as it is, so that files of both species can be read together.
 * @throws DataError for a file of neither
 */
export function withOrthologs(file: CellFile, table: OrthologTable): CellFile {
  const translated = new Map<string, CellMatrix>();
  const translate = (key: string): CellMatrix => {
    const known = translated.get(key);
    if (known) return known;
    const matrix = file.matrix(key);
    const { genes } = translateGenes(matrix.genes, table);
    const { numGenes, encoding, dtype, numCells } = matrix;
    const made: CellMatrix = { key, numGenes, encoding, dtype, numCells, genes, rowBlocks: (options) => matrix.rowBlocks(options) };
    translated.set(key, made);
    return made;
  };
  const first = file.matrices[0] && file.matrix(file.matrices[0].key).genes;
  if (!first) return file;
  const { numTranslated, numWithout, numWithSeveral } = translateGenes(first, table);
  if (!table.isOfSource(first)) {
    if (first.names.some((_, column) => namesAt(first, column).some((name) => table.hasHuman(name))))
      return withNote(file, `${table.file}: the genes are human already, and stay as they are`);
    throw new DataError({
      file: file.path,
      key: 'genes',
      found: `none of its ${first.names.length} genes is in ${table.file} (here: ${first.names.slice(0, 3).join(', ')})`,
      expected: 'genes of the species that the table translates',
      hint: 'name another table with --orthologs',
    });
  }
  const note = `${table.file}: ${numTranslated} of ${first.names.length} genes have a one-to-one human ortholog; left out: ${numWithout} without an ortholog in the table, ${numWithSeveral} of one-to-many or many-to-one`;
  return withNote(file, note, translate);
}

function withNote(file: CellFile, note: string, matrix: CellFile['matrix'] = (key) => file.matrix(key)): CellFile {
  return {
    path: file.path,
    format: file.format,
    numCells: file.numCells,
    get cellIds() {
      return file.cellIds;
    },
    ...(file.packedCellIds && { packedCellIds: (start: number, end: number) => file.packedCellIds!(start, end) }),
    obsKeys: file.obsKeys,
    obs: (key) => file.obs(key),
    matrices: file.matrices,
    notes: [...file.notes, note],
    matrix,
    ...(file.embedding && { embedding: (key: string) => file.embedding!(key) }),
    close: () => file.close(),
  };
}

const keyOf = ({ symbol, ensemblId }: VocabularyGene): string => ensemblId || symbol;

/** The names a file has for one of its genes, the most telling first. */
function namesAt(genes: GeneNames, column: number): string[] {
  return [genes.ensemblIds?.[column], genes.names[column], genes.symbols?.[column]].filter((name): name is string => Boolean(name));
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
