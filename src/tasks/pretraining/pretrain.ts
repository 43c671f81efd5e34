import { silentLogger } from '../../log.js';
import { silentProgress } from '../../progress.js';
import { Rng } from '../../rng.js';
import { DataError } from '../../errors.js';
import { createLoader } from '../../data/loader/loader.js';
import { openCorpora, type CellSource } from '../../data/loader/mixture.js';
import { loadTensorFlow } from '../../runtime/native/load.js';
import { evaluationBatchSize, evaluationInputs, evaluationStream } from '../../train/evaluation.js';
import { runTraining, type TrainContext, type TrainingResult } from '../../train/run.js';
import type { MicroBatchChoice } from '../../train/run-manifest.js';
import type { Baselines, Task } from '../../train/task.js';
import { countGuesses, scoreGuesses } from './baselines.js';
import type { PretrainingConfig } from './config.js';
import { placedGeneVectors } from './gene-vectors.js';
import { createPretrainingTask, describeModel } from './task.js';

export interface PretrainOptions {
  readonly config: PretrainingConfig;
  /** Run folder: new or empty, or with `isResumed` one to go on with. */
  readonly out: string;
  readonly isResumed?: boolean;
  /** Of `settleMicroBatch`, where train.microBatch is auto. */
  readonly microBatch?: MicroBatchChoice | undefined;
  /** Training steps to measure op by op. */
  readonly profileSteps?: number | undefined;
  /** Default: silent, and never interrupted. */
  readonly context?: Partial<TrainContext>;
}

/**
 * Pretrains a model on a corpus, or on several.
 * @returns where the checkpoint is, its validation scores, and what simple guesses score on the same masks
 * @throws DataError for a corpus that cannot be trained on, and what `runTraining` throws
 */
export async function pretrain({ config, out, isResumed = false, microBatch, profileSteps, context = {} }: PretrainOptions): Promise<TrainingResult> {
  const corpus = await openCorpora(config.data.corpus);
  try {
    requireTraining(corpus);
    const backend = await loadTensorFlow();
    const root = Rng.fromSeed(config.train.seed);
    const task = createPretrainingTask(config, corpus, root.fork('model'), await placedGeneVectors(config, corpus, root.fork('model')));
    return await runTraining({
      task,
      config,
      model: describeModel(config, corpus),
      data: {
        path: corpus.path,
        fingerprint: corpus.fingerprint,
        numTrainCells: corpus.splitRows('train').length,
        numValidationCells: corpus.splitRows('validation').length,
        ...describeParts(corpus),
      },
      baselines: () => guess(config, corpus, task, root),
      out,
      isResumed,
      microBatch,
      profileSteps,
      backend,
      context: { log: silentLogger, progress: silentProgress, say() {}, signal: new AbortController().signal, ...context },
    });
  } finally {
    corpus.close();
  }
}

/** Shares in one line, for run.json and the model card. */
function describeParts({ parts }: CellSource): { shares?: string } {
  return parts ? { shares: parts.map(({ path, share }) => `${path} ${(100 * share).toFixed(1)} %`).join(', ') } : {};
}

function requireTraining(corpus: CellSource): void {
  if (corpus.splitRows('train').length > 0) return;
  throw new DataError({ file: corpus.path, key: 'train split', found: 'no cell in it', hint: 'build the corpus with a larger share for training' });
}

/** Guesses counted on training cells as they are, scored on the very masks of every validation pass. */
async function guess(config: PretrainingConfig, corpus: CellSource, task: Task, root: Rng): Promise<Baselines> {
  const { vocabulary } = corpus;
  const { preprocessing } = describeModel(config, corpus);
  const batchSize = evaluationBatchSize(config.train);
  const cells = createLoader(corpus, { rows: corpus.splitRows('train'), batchSize, preprocessing, rng: root.fork('baselines'), loader: config.loader });
  const tables = await countGuesses(cells, vocabulary.size, (id) => vocabulary.isGene(id), config.baselineCells);
  return scoreGuesses(tables, evaluationInputs(task, 'validation', evaluationStream(root, 'validation'), batchSize), config.diffusion.valueWeight);
}
