import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import { isEnsemblId, withoutVersion } from '../genes/gene-ids.js';
import { parseGenes, readText } from '../genes/read-gene-table.js';
import { Vocabulary, type VocabularyGene } from '../genes/vocabulary.js';
import { readGeneTable } from './gene-table.js';
import { GENES_FILE } from './manifest.js';

/**
 * The gene list in a genes.tsv, in a corpus folder, in a folder with a genes.tsv (a checkpoint), in a table with a column of
 * symbols or Ensembl ids, or in a file of one name a line.
 * @throws DataError where there is none
 */
export async function readVocabulary(path: string): Promise<Vocabulary> {
  if (!existsSync(path)) throw new DataError({ file: path, found: 'no such file or folder', expected: 'a genes.tsv, or the folder of a corpus or checkpoint' });
  if (!statSync(path).isDirectory()) return parseVocabulary(await readText(path), path);
  if (existsSync(join(path, GENES_FILE))) return (await readGeneTable(path)).vocabulary;
  if (existsSync(join(path, 'genes.tsv'))) return Vocabulary.read(join(path, 'genes.tsv'));
  throw new DataError({ file: path, found: `neither ${GENES_FILE} nor genes.tsv in it`, expected: 'the folder of a corpus or checkpoint' });
}

function parseVocabulary(text: string, file: string): Vocabulary {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines[0]?.startsWith('id\tsymbol\tensembl_id')) return Vocabulary.parseTsv(text, file);
  const isList = lines.every((line) => !/[\t,]/.test(line)) && !/^(symbol|gene|ensembl)[a-z_ ]*$/i.test(lines[0] ?? '');
  const genes: VocabularyGene[] = isList
    ? lines.map((name) => (isEnsemblId(name) ? { symbol: '', ensemblId: withoutVersion(name) } : { symbol: name, ensemblId: '' }))
    : parseGenes(text, file).map(({ symbol, ensemblId }) => ({ symbol, ensemblId }));
  if (genes.length === 0) throw new DataError({ file, found: 'no gene in it', expected: 'one a line' });
  const seen = new Map<string, number>();
  genes.forEach(({ symbol, ensemblId }, i) => {
    const name = ensemblId || symbol;
    const before = seen.get(name);
    if (before !== undefined)
      throw new DataError({ file, found: `${name} twice (genes ${before + 1} and ${i + 1})`, expected: 'each gene once', hint: 'delete the second' });
    seen.set(name, i);
  });
  return new Vocabulary(genes);
}

/**
 * A corpus's genes, those that enough training cells express, in the corpus's order.
 * @throws DataError where the folder is no corpus, or no gene is left
 */
export async function vocabularyOfCorpus(path: string, { minCells, maxGenes = Infinity }: { minCells: number; maxGenes?: number }): Promise<Vocabulary> {
  if (!existsSync(join(path, GENES_FILE)))
    throw new DataError({ file: path, found: 'not a corpus folder', expected: 'a corpus, which alone knows how many cells express a gene' });
  const { vocabulary, statistics } = await readGeneTable(path);
  const cellsOf = (i: number): number => statistics.numDetected[i + vocabulary.firstGeneId]!;
  const byCells = vocabulary.genes
    .map((_, i) => i)
    .filter((i) => cellsOf(i) >= minCells)
    .sort((a, b) => cellsOf(b) - cellsOf(a) || a - b);
  const kept = byCells.slice(0, maxGenes).sort((a, b) => a - b);
  if (kept.length === 0) throw new DataError({ file: path, found: `no gene is expressed by ${minCells} training cells`, hint: 'lower --min-cells' });
  return new Vocabulary(kept.map((i) => vocabulary.genes[i]!));
}
