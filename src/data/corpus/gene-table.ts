import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Field, Float32, Float64, Int32, Utf8, makeData, tableFromIPC, vectorFromArray, type Data, type Table } from 'apache-arrow';
import { DataError } from '../../errors.js';
import { Vocabulary, type VocabularyGene } from '../genes/vocabulary.js';
import { GENES_FILE } from './manifest.js';
import { encodeArrowFile, type EncodedFile } from './arrow-file.js';
import { smoothEntropy, type GeneStatistics } from './statistics.js';

/** genes.arrow: one row a gene of the vocabulary, in id order: id, symbol, ensembl_id, num_cells, mean, entropy_raw, entropy. */
export async function encodeGeneTable(vocabulary: Vocabulary, statistics: GeneStatistics): Promise<EncodedFile> {
  const from = vocabulary.firstGeneId;
  const to = from + vocabulary.genes.length;
  const columns: [name: string, data: Data][] = [
    ['id', makeData({ type: new Int32(), data: Int32Array.from(vocabulary.genes, (_, i) => i + from) })],
    ['symbol', strings(vocabulary.genes.map(({ symbol }) => symbol))],
    ['ensembl_id', strings(vocabulary.genes.map(({ ensemblId }) => ensemblId))],
    ['num_cells', makeData({ type: new Int32(), data: statistics.numDetected.slice(from, to) })],
    ['mean', makeData({ type: new Float64(), data: statistics.mean.slice(from, to) })],
    ['entropy_raw', makeData({ type: new Float32(), data: statistics.rawEntropy.slice(from, to) })],
    ['entropy', makeData({ type: new Float32(), data: smoothEntropy(statistics).slice(from, to) })],
  ];
  return encodeArrowFile(
    columns.map(([name, data]) => new Field(name, data.type, false)),
    columns.map(([, data]) => data),
    vocabulary.genes.length,
    new Map([['scdiva.numCells', String(statistics.numCells)]]),
  );
}

export async function readGeneTable(path: string): Promise<{ vocabulary: Vocabulary; statistics: GeneStatistics; entropy: Float32Array }> {
  const file = join(path, GENES_FILE);
  try {
    return parseGeneTable(tableFromIPC(await readFile(file)));
  } catch (cause) {
    throw new DataError({ file, found: 'not a readable gene table', hint: 'build the corpus again', cause });
  }
}

function parseGeneTable(table: Table): { vocabulary: Vocabulary; statistics: GeneStatistics; entropy: Float32Array } {
  const column = (name: string): ArrayLike<number> & Iterable<string> => {
    const vector = table.getChild(name);
    if (!vector) throw new TypeError(`no column ${name}`);
    return vector.toArray() as ArrayLike<number> & Iterable<string>;
  };
  const symbols = [...column('symbol')];
  const ensemblIds = [...column('ensembl_id')];
  const genes: VocabularyGene[] = symbols.map((symbol, i) => ({ symbol, ensemblId: ensemblIds[i]! }));
  const vocabulary = new Vocabulary(genes);
  // Table rows are genes; the arrays are by vocabulary id, special ids around them.
  const spread = <T extends Int32Array | Float32Array | Float64Array>(target: T, name: string): T => {
    target.set(column(name), vocabulary.firstGeneId);
    return target;
  };
  const statistics: GeneStatistics = {
    numCells: Number(table.schema.metadata.get('scdiva.numCells')),
    numDetected: spread(new Int32Array(vocabulary.size), 'num_cells'),
    mean: spread(new Float64Array(vocabulary.size), 'mean'),
    rawEntropy: spread(new Float32Array(vocabulary.size).fill(1), 'entropy_raw'),
  };
  return { vocabulary, statistics, entropy: spread(new Float32Array(vocabulary.size).fill(1), 'entropy') };
}

/** An empty vocabulary makes an empty column, which the library's own builder would give another type. */
function strings(values: readonly string[]): Data<Utf8> {
  return (
    vectorFromArray(values, new Utf8()).data[0] ??
    makeData({ type: new Utf8(), length: 0, nullCount: 0, valueOffsets: new Int32Array(1), data: new Uint8Array(0) })
  );
}
