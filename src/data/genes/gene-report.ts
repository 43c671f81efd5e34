import type { GeneNames } from '../readers/reader.js';
import type { GeneMapping } from './mapping.js';
import type { Vocabulary } from './vocabulary.js';

const HEADER = 'file\tname\tvocabulary_id\tsymbol\tensembl_id\tfate\n';

/**
 * What became of every gene of a file, one a line: the vocabulary gene it is and by which name it was found, `added to NAME`
 * where its column is summed with an earlier one, or why it is lost.
 */
export function geneReport(
  { file, genes, mapping, vocabulary }: { file: string; genes: GeneNames; mapping: GeneMapping; vocabulary: Vocabulary },
  withHeader: boolean,
): Buffer {
  const reasons = new Map(mapping.lost.map(({ column, reason }) => [column, reason]));
  const addedTo = new Map(mapping.duplicates.flatMap(({ columns: [first, ...others] }) => others.map((column) => [column, genes.names[first!]!] as const)));
  const lines = genes.names.map((name, column) => {
    const id = mapping.vocabularyIds[column]!;
    if (id < 0) return `${file}\t${name}\t\t\t\tlost: ${reasons.get(column)}\n`;
    const { symbol, ensemblId } = vocabulary.gene(id);
    const found = `found ${mapping.routes[column] === 'as named' ? 'as named' : `by ${mapping.routes[column]!.replace(/^by /, '')}`}`;
    return `${file}\t${name}\t${id}\t${symbol}\t${ensemblId}\t${found}${addedTo.has(column) ? `, added to ${addedTo.get(column)}` : ''}\n`;
  });
  return Buffer.from(`${withHeader ? HEADER : ''}${lines.join('')}`);
}
