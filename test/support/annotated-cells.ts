import { join } from 'node:path';
import { parseConfig } from '../../src/config/load.js';
import { silentLogger } from '../../src/log.js';
import { silentProgress } from '../../src/progress.js';
import { Rng } from '../../src/rng.js';
import type { Corpus } from '../../src/data/corpus/corpus.js';
import { Preprocessing } from '../../src/data/loader/config.js';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { AnnotationConfig } from '../../src/tasks/annotation/config.js';
import { initialHead } from '../../src/tasks/annotation/head.js';
import { finetuneAnnotation } from '../../src/tasks/annotation/finetune.js';
import { loadCheckpoint, saveCheckpoint } from '../../src/train/checkpoint.js';
import type { TrainContext } from '../../src/train/run.js';
import { smallCorpus } from './small-corpus.js';
import type { SmallH5ad } from './small-h5ad.js';

export const TYPES = ['B', 'NK', 'T'];

/** Counts of cells whose type is plain to see: each type has eight genes of its own, the other sixteen are noise. */
export function separableCells(seed: number, numCells: number): SmallH5ad & { readonly types: readonly string[] } {
  const rng = Rng.fromSeed(seed);
  const types = Array.from({ length: numCells }, (_, i) => TYPES[i % TYPES.length]!);
  const rows = types.map((type) =>
    Array.from({ length: 40 }, (_, g) => (g >= 24 ? rng.int(3) : Math.floor(g / 8) === TYPES.indexOf(type) ? 2 + rng.int(8) : rng.uniform() < 0.1 ? 1 : 0)),
  );
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
    state: {
      task: 'pretraining',
      step: 0,
      cursor: { epoch: 0, batchIndex: 0 },
      validation: null,
      best: null,
      evaluationsWithoutImprovement: 0,
      seed: 5,
      dataFingerprint: fingerprint,
      config: {},
      versions: {},
    },
    card: '# untrained\n',
  });
  return path;
}

/** The same with an annotation head that has learned nothing either: as quick to make, and as good for what does not ask whether labels are right. */
export async function untrainedAnnotator(folder: string, corpus: Corpus): Promise<string> {
  const { parameters, state, ...pretrained } = await loadCheckpoint(await untrainedCheckpoint(folder, corpus));
  const [embeddingDim, hiddenDim] = [16, 8];
  const rng = Rng.fromSeed(6);
  const embeddings = Float32Array.from({ length: 50 * embeddingDim }, () => rng.normal());
  const path = join(folder, 'untrained-annotator');
  await saveCheckpoint(path, {
    ...pretrained,
    parameters: { ...parameters, ...initialHead({ embeddingDim, hiddenDim, numClasses: TYPES.length }, embeddings, rng) },
    head: {
      task: 'annotation',
      labelKey: 'cell_type',
      classes: [...TYPES],
      classSizes: TYPES.map(() => 10),
      embeddingDim,
      hiddenDim,
      temperature: 1,
      unknownThreshold: 0,
      calibration: null,
    },
    optimizer: {},
    state: { ...state!, task: 'annotation' },
    card: '# untrained\n',
  });
  return path;
}

/** A context that says nothing; `said` collects what it was told. */
export function quietContext(signal = new AbortController().signal): TrainContext & { readonly said: string[] } {
  const said: string[] = [];
  return { log: silentLogger, progress: silentProgress, signal, said, say: (line) => void said.push(line) };
}

/** A corpus of separable cells, an untrained checkpoint and one fine-tuned on them, all below `folder`. */
export async function smallAnnotator(folder: string): Promise<{ corpus: Corpus; pretrained: string; annotator: string }> {
  const corpus = await smallCorpus(folder, separableCells(1, 240), { label: 'cell_type', fractions: [0.6, 0.2, 0.2] });
  const pretrained = await untrainedCheckpoint(folder, corpus);
  const annotator = join(folder, 'annotation');
  const config = parseConfig(AnnotationConfig, {
    data: { corpus: corpus.path, labelKey: 'cell_type' },
    checkpoint: pretrained,
    tune: { kind: 'whole' },
    baselines: false,
    loader: { numWorkers: 0 },
    train: { epochs: 8, batchSize: 32, optimizer: { lr: 3e-3 } },
  });
  await finetuneAnnotation({ config, out: annotator, context: quietContext() });
  return { corpus, pretrained, annotator };
}
