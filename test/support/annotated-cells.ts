import { join } from 'node:path';
import { silentLogger } from '../../src/log.js';
import { silentProgress } from '../../src/progress.js';
import { Rng } from '../../src/rng.js';
import type { Corpus } from '../../src/data/corpus/corpus.js';
import { Preprocessing } from '../../src/data/loader/config.js';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { saveCheckpoint } from '../../src/train/checkpoint.js';
import type { TrainContext } from '../../src/train/run.js';
import type { SmallH5ad } from './small-h5ad.js';

export const TYPES = ['B', 'NK', 'T'];

/** Counts of cells whose type is plain to see: each type has eight genes of its own, the other sixteen are noise. */
export function separableCells(seed: number, numCells: number): SmallH5ad & { readonly types: readonly string[] } {
  const rng = Rng.fromSeed(seed);
  const types = Array.from({ length: numCells }, (_, i) => TYPES[i % TYPES.length]!);
  const rows = types.map((type) => Array.from({ length: 40 }, (_, g) => (g >= 24 ? rng.int(3) : Math.floor(g / 8) === TYPES.indexOf(type) ? 2 + rng.int(8) : rng.uniform() < 0.1 ? 1 : 0)));
  return {
    x: { rows, encoding: 'csr' },
    cellIds: rows.map((_, i) => `cell-${seed}-${i}`),
    geneNames: Array.from({ length: 40 }, (_, g) => `GENE${String.fromCharCode(65 + (g % 26))}${g}`),
    obs: { cell_type: types },
    types,
  };
}

/** An untrained model of that corpus' genes, as a checkpoint folder. */
export async function untrainedCheckpoint(folder: string, { vocabulary, entropy, fingerprint }: Corpus, { numLayers = 2 } = {}): Promise<string> {
  const modelConfig = ModelConfig.parse({ hiddenDim: 16, numLayers, numHeads: 2, ffnDim: 24, maxGenes: 32, dropout: 0.1 });
  const path = join(folder, 'pretrained');
  await saveCheckpoint(path, {
    modelConfig,
    vocabulary,
    entropy,
    preprocessing: Preprocessing.parse({ maxGenes: 32, lengthMultiple: 16 }),
    parameters: initialParameters(modelConfig, vocabulary.size, Rng.fromSeed(5)),
    optimizer: {},
    state: { task: 'pretraining', step: 0, cursor: { epoch: 0, batchIndex: 0 }, validation: null, best: null, evaluationsWithoutImprovement: 0, seed: 5, dataFingerprint: fingerprint, config: {}, versions: {} },
    card: '# untrained\n',
  });
  return path;
}

/** A context that says nothing; `said` collects what it was told. */
export function quietContext(signal = new AbortController().signal): TrainContext & { readonly said: string[] } {
  const said: string[] = [];
  return { log: silentLogger, progress: silentProgress, signal, said, say: (line) => void said.push(line) };
}
