import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, ConfigError, DataError } from '../errors.js';
import { readGeneOrder } from '../data/genes/read-gene-order.js';
import type { Vocabulary } from '../data/genes/vocabulary.js';
import { openCorpus } from '../data/corpus/corpus.js';
import { Preprocessing } from '../data/loader/config.js';
import { flatEntropy } from '../data/loader/serialize.js';
import type { ModelConfig } from '../model/config.js';
import { parseEntropyTsv } from './entropy-table.js';
import { readText } from '../data/genes/read-gene-table.js';

/** What weights released without genes.tsv, entropy.tsv and preprocessing.json need to be told. None of it can be guessed. */
export interface ReleaseOptions {
  /** File that names the gene of each embedding row in order; see `readGeneOrder`. */
  readonly genes?: string | undefined;
  /** An entropy.tsv, a corpus of the same genes, or `none`: genes are ranked by expression alone. */
  readonly entropy?: string | undefined;
  /** Sum to which cells are scaled before log1p. */
  readonly targetSum?: number | undefined;
}

const HOW = 'scdiva import, or the options of fromPretrained';

/** @throws CheckpointError where neither the folder nor the options tell the order of the genes */
export async function releasedVocabulary(genesFile: string, size: number, { genes }: ReleaseOptions): Promise<Vocabulary> {
  if (genes === undefined)
    throw new CheckpointError({
      file: genesFile,
      found: 'no such file',
      hint: `put the ordered gene list of these weights there, or name it with genes (${HOW})`,
    });
  return readGeneOrder(genes, size);
}

/** @returns [V] by vocabulary id */
export async function releasedEntropy(entropyFile: string, vocabulary: Vocabulary, { entropy }: ReleaseOptions): Promise<Float32Array> {
  if (entropy === undefined)
    throw new CheckpointError({ file: entropyFile, found: 'no such file', hint: `name an entropy.tsv, a corpus or none with entropy (${HOW})` });
  if (entropy === 'none') return flatEntropy(vocabulary);
  if (!existsSync(join(entropy, 'corpus.json'))) return parseEntropyTsv(await readText(entropy), vocabulary, entropy);
  const corpus = await openCorpus(entropy);
  if (corpus.vocabulary.hash !== vocabulary.hash)
    throw new DataError({
      file: entropy,
      key: 'genes.arrow',
      found: 'other genes, or another order, than those of the weights',
      hint: 'build the corpus with --genes and the genes of the weights',
    });
  return corpus.entropy;
}

export function releasedPreprocessing(preprocessingFile: string, { maxGenes }: ModelConfig, { targetSum, entropy }: ReleaseOptions): Preprocessing {
  if (targetSum === undefined)
    throw new CheckpointError({
      file: preprocessingFile,
      found: 'no such file',
      hint: `say to which sum cells were scaled with targetSum, mostly 10000 (${HOW})`,
    });
  if (!(targetSum > 0 && Number.isFinite(targetSum))) throw new ConfigError({ key: 'targetSum', found: String(targetSum), expected: 'a number above 0' });
  return Preprocessing.parse({ targetSum, maxGenes, serialisation: entropy === 'none' ? 'expression' : 'entropy' });
}
