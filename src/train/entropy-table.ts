import { DataError } from '../errors.js';
import type { Vocabulary } from '../data/genes/vocabulary.js';

/** entropy.tsv: `id symbol entropy`, one gene a line with a header. Numbers print so that they read back to the same float32. */
export function entropyToTsv(entropy: Float32Array, vocabulary: Vocabulary): string {
  const lines = vocabulary.genes.map(({ symbol }, i) => {
    const id = vocabulary.firstGeneId + i;
    return `${id}\t${symbol}\t${entropy[id]}\n`;
  });
  return `id\tsymbol\tentropy\n${lines.join('')}`;
}

/**
 * @returns [V] by vocabulary id; special ids, which are never ranked, have 1
 * @throws DataError naming the line at fault
 */
export function parseEntropyTsv(text: string, vocabulary: Vocabulary, file: string): Float32Array {
  const [header, ...lines] = text.trimEnd().split(/\r?\n/);
  if (header !== 'id\tsymbol\tentropy')
    throw new DataError({ file, key: 'line 1', found: `'${header ?? ''}'`, expected: 'the header id, symbol, entropy separated by tabs' });
  if (lines.length !== vocabulary.genes.length)
    throw new DataError({ file, found: `${lines.length} genes`, expected: `${vocabulary.genes.length}, as in genes.tsv` });
  const entropy = new Float32Array(vocabulary.size).fill(1);
  lines.forEach((line, i) => {
    const [id, , value = ''] = line.split('\t');
    const number = value.trim() === '' ? NaN : Number(value);
    if (Number(id) !== vocabulary.firstGeneId + i || !Number.isFinite(number))
      throw new DataError({ file, key: `line ${i + 2}`, found: `'${line}'`, expected: `id ${vocabulary.firstGeneId + i}, a symbol and a number` });
    entropy[vocabulary.firstGeneId + i] = number;
  });
  return entropy;
}
