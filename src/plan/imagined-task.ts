// B cells, L genes a cell, C classes
import type { CellBatch, CellBatches } from '../data/batch.js';
import type { Corpus } from '../data/corpus/corpus.js';
import { Vocabulary } from '../data/genes/vocabulary.js';
import { initialParameters } from '../model/parameters.js';
import { Rng } from '../rng.js';
import type { EmbeddingTable } from '../tasks/embedding-table.js';
import type { AnnotationLabels } from '../tasks/annotation/labels.js';
import { createAnnotationTask } from '../tasks/annotation/task.js';
import { createPretrainingTask } from '../tasks/pretraining/task.js';
import type { ModelDescription } from '../train/checkpoint.js';
import type { Task } from '../train/task.js';
import type { HostTensors } from '../runtime/program/program.js';
import type { ProbeSpec } from './probe-spec.js';

/** The task itself on cells that are made up: what a step costs depends on shapes, not on genes. */
export interface ImaginedTask {
  readonly task: Task;
  readonly model: ModelDescription & { readonly parameters: HostTensors };
  /** B random cells of L genes each, no padding. */
  batch(seqLen: number): CellBatch;
}

export function imagineTask({ training, model: modelConfig, numGenes, numClasses, numCells, lengths }: ProbeSpec): ImaginedTask {
  const vocabulary = new Vocabulary(Array.from({ length: numGenes }, (_, i) => ({ symbol: `GENE${i}`, ensemblId: '' })));
  const entropy = new Float32Array(vocabulary.size).fill(1);
  const rng = Rng.fromSeed(training.config.train.seed);
  const batch = (seqLen: number): CellBatch => imagineBatch(numCells, seqLen, numGenes, rng.fork(`cells/${seqLen}`));
  const longest = lengths.at(-1)!.seqLen;
  /** A validation pass is one batch of the longest cells. */
  const batches = (): CellBatches => ({
    numBatches: 1,
    close: async () => {},
    async *[Symbol.asyncIterator]() {
      yield batch(longest);
    },
  });
  // Of a corpus a task reads beside its cells, which come from `batches`, these two.
  const corpus = { vocabulary, entropy } as Corpus;

  if (training.task === 'pretraining') {
    const config = { ...training.config, model: modelConfig };
    const task = { ...createPretrainingTask(config, corpus, rng.fork('model')), batches };
    return {
      task,
      model: { modelConfig, vocabulary, entropy, preprocessing: { ...config.preprocessing, maxGenes: modelConfig.maxGenes }, parameters: task.parameters },
      batch,
    };
  }
  const { config } = training;
  const model = {
    modelConfig,
    vocabulary,
    entropy,
    preprocessing: { targetSum: 10_000, maxGenes: longest, serialisation: 'entropy' as const, lengthMultiple: 128 },
    parameters: initialParameters(modelConfig, vocabulary.size, rng.fork('model')),
  };
  const rows = Int32Array.from({ length: numCells }, (_, i) => i);
  const labels: AnnotationLabels = {
    key: config.data.labelKey,
    classes: Array.from({ length: numClasses }, (_, c) => `class ${c}`),
    unseen: [],
    codes: rows.map((i) => i % numClasses),
    rows: { train: rows, validation: rows, test: rows },
    numUnlabelled: { train: 0, validation: 0, test: 0 },
    classSizes: new Int32Array(numClasses).fill(1),
  };
  const D = modelConfig.hiddenDim;
  const sample = Float32Array.from({ length: 4 * D }, (_, i) => rng.fork(`sample/${i}`).normal());
  const embeddings =
    config.tune.kind === 'head' ? ({ embeddingDim: D, gather: (cells: Int32Array) => new Float32Array(cells.length * D) } as EmbeddingTable) : undefined;
  const task = createAnnotationTask({ config, corpus, labels, model, embeddings, sample, rng: rng.fork('head') });
  return { task: { ...task, batches }, model, batch };
}

function imagineBatch(B: number, L: number, numGenes: number, rng: Rng): CellBatch {
  return {
    numCells: B,
    seqLen: L,
    geneIds: Int32Array.from({ length: B * L }, () => 2 + rng.int(numGenes)),
    values: Float32Array.from({ length: B * L }, () => 5 * rng.uniform()),
    numGenes: new Int32Array(B).fill(L),
    cellIndex: Int32Array.from({ length: B }, (_, b) => b),
    labels: {},
  };
}
