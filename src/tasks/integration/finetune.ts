import { Rng } from '../../rng.js';
import type { Points } from '../../metrics/points.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { Metrics } from '../../train/task.js';
import { expressionMatrix } from '../expression-matrix.js';
import { EmbeddingTable } from '../embedding-table.js';
import {
  embeddingOptions,
  forEachSeed,
  openFinetuning,
  trainTask,
  withExecutor,
  writeResult,
  type Finetuning,
  type FinetuneRequest,
  type SeedRoom,
} from '../finetune/finetune.js';
import type { MethodResult, TaskResult } from '../finetune/methods.js';
import { baselineEmbeddings } from './baselines.js';
import { codesOf, integrationCells, type IntegrationCells } from './cells.js';
import { clusterKinds } from './clusters.js';
import type { IntegrationConfig } from './config.js';
import { readHead, type IntegrationHeadInfo } from './head.js';
import { createIntegrator } from './integrator.js';
import { scoreEmbedding } from './scores.js';
import { createIntegrationTask } from './task.js';

export type FinetuneIntegration = FinetuneRequest<IntegrationConfig>;

/** What an integration came to: scores of the test cells, and what the methods knew. */
export interface IntegrationResult extends TaskResult {
  readonly task: 'integration';
  readonly batchKey: string;
  /** null: no labels, no scores of biology. */
  readonly labelKey: string | null;
  readonly contrastive: IntegrationHeadInfo['contrastive'];
  readonly techBatches: readonly string[];
  /** Clusters that stood for labels; absent where labels did. */
  readonly numClusters?: number;
}

/**
 * Fine-tunes a pretrained model to integrate sequencing batches and scores its placing of the test split, beside raw expression, PCA,
 * Harmony and the model as it was. Labels of test cells are used for nothing but the scores.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export function finetuneIntegration(request: FinetuneIntegration): Promise<IntegrationResult> {
  return openFinetuning(request, async (room) => {
    const { config, corpus, context, out, seeds } = room;
    const cells = integrationCells(corpus, config.data.batchKey, config.data.labelKey);
    const { kinds, numClusters } = await kindsOf(room, cells);
    context.say(describeCells(cells, numClusters));
    const runs = await forEachSeed(room, (seedRoom) => trainSeed(seedRoom, cells, kinds));
    const baselines = config.baselines ? await scoreBaselines(room, cells) : [];
    const title = `ScDiVa, ${numClusters === undefined ? 'types of training cells known' : 'no labels'}${config.start === 'scratch' ? ', from scratch' : ''}`;
    const result: IntegrationResult = {
      task: 'integration',
      out,
      split: 'test',
      headline: cells.labelKey === null ? 'avgBatch' : 'avgBio',
      batchKey: cells.batchKey,
      labelKey: cells.labelKey,
      contrastive: config.contrastive.kind,
      techBatches: cells.techBatchNames,
      ...(numClusters !== undefined && { numClusters }),
      numCells: { train: cells.rows.train.length, validation: cells.rows.validation.length, test: cells.rows.test.length },
      seeds,
      methods: [{ name: 'scdiva', title, kind: 'model', runs }, ...baselines],
    };
    await writeResult(out, result);
    return result;
  });
}

/** [numCells] what the contrast takes for one kind; test cells have none. */
async function kindsOf(
  { config, corpus, pretrained, context }: Finetuning<IntegrationConfig>,
  cells: IntegrationCells,
): Promise<{ kinds: Int32Array; numClusters?: number }> {
  const rows = Int32Array.from([...cells.rows.train, ...cells.rows.validation]);
  const kinds = new Int32Array(corpus.numCells).fill(-1);
  if (config.contrastive.kind === 'labels') {
    for (const row of rows) kinds[row] = cells.labels[row]!;
    return { kinds };
  }
  const bar = context.progress.start('Cluster cells', rows.length, 'cells');
  try {
    const clusters = await clusterKinds(
      expressionMatrix(corpus, rows, pretrained.preprocessing),
      codesOf(cells.techBatches, rows),
      config.contrastive.resolution,
      Rng.fromSeed(config.train.seed).fork('clusters'),
    );
    rows.forEach((row, i) => (kinds[row] = clusters[i]!));
    bar.update(rows.length);
    return { kinds, numClusters: new Set(clusters).size };
  } finally {
    bar.stop();
  }
}

async function trainSeed(room: SeedRoom<IntegrationConfig>, cells: IntegrationCells, kinds: Int32Array): Promise<Metrics> {
  const { config, corpus, model, seed } = room;
  const { hiddenDim: D } = model.modelConfig;
  const head: IntegrationHeadInfo = {
    task: 'integration',
    batchKey: cells.batchKey,
    labelKey: config.contrastive.kind === 'labels' ? cells.labelKey : null,
    contrastive: config.contrastive.kind,
    techBatches: cells.techBatchNames.slice(0, cells.numKnownBatches),
    embeddingDim: D,
    hiddenDim: config.projection.hiddenDim ?? D,
    outputDim: config.projection.outputDim,
    adversaryDim: config.adversary.hiddenDim ?? D,
  };
  const rng = Rng.fromSeed(seed);
  const sample = await embedRows(room, model, sampleRows(cells, rng), 'nothing was trained yet: start again');
  const task = createIntegrationTask({ config, corpus, cells, kinds, model, head, sample, rng });
  const trained = await trainTask(room, {
    task,
    head,
    data: { batchKey: cells.batchKey, labelKey: head.labelKey ?? 'none', numTrainCells: cells.rows.train.length },
  });
  const embedded = await embedRows(room, trained, cells.rows.test, 'the training is done and saved: --resume does the rest');
  const points = await withExecutor(config, async (executor): Promise<Points> => {
    const integrator = await createIntegrator(executor, readHead(trained));
    try {
      return { numRows: cells.rows.test.length, numColumns: integrator.outputDim, data: await integrator.place(embedded) };
    } finally {
      integrator.dispose();
    }
  });
  return scoreEmbedding(points, testCells(cells), scoreStream(config));
}

/** Training cells that the head's input is scaled by. */
const MAX_SAMPLE = 256;

const sampleRows = ({ rows: { train } }: IntegrationCells, rng: Rng): Int32Array =>
  rng
    .fork('sample')
    .permutation(train.length)
    .slice(0, MAX_SAMPLE)
    .map((i) => train[i]!);

/** [n, D] */
async function embedRows(
  { config, corpus, context }: Finetuning<IntegrationConfig>,
  model: Checkpoint,
  rows: Int32Array,
  afterInterrupt: string,
): Promise<Float32Array> {
  return withExecutor(config, async (executor) =>
    (await EmbeddingTable.compute(corpus, rows, embeddingOptions(config, model, executor, context, afterInterrupt))).gather(rows),
  );
}

async function scoreBaselines(room: Finetuning<IntegrationConfig>, cells: IntegrationCells): Promise<MethodResult[]> {
  const { config, corpus, pretrained, context } = room;
  const { embeddings } = baselineEmbeddings(corpus, cells, pretrained.preprocessing, Rng.fromSeed(config.train.seed).fork('baselines'));
  const before = await embedRows(room, pretrained, cells.rows.test, 'the training is done and saved: --resume does the rest');
  const all = [
    ...embeddings,
    {
      name: 'pretrained',
      title: 'ScDiVa as pretrained, not fine-tuned',
      points: { numRows: cells.rows.test.length, numColumns: pretrained.modelConfig.hiddenDim, data: before },
    },
  ];
  const bar = context.progress.start('Score baselines', all.length, 'methods');
  const results: MethodResult[] = [];
  try {
    for (const { name, title, points } of all) {
      results.push({ name, title, kind: 'baseline', runs: [await scoreEmbedding(points, testCells(cells), scoreStream(config))] });
      bar.update(results.length);
    }
  } finally {
    bar.stop();
  }
  return results;
}

const testCells = ({ rows: { test }, labels, techBatches }: IntegrationCells) => ({ labels: codesOf(labels, test), techBatches: codesOf(techBatches, test) });

/** One for all methods and seeds: what differs is the embedding. */
const scoreStream = ({ train }: IntegrationConfig): Rng => Rng.fromSeed(train.seed).fork('scores');

function describeCells({ batchKey, labelKey, techBatchNames, numKnownBatches, rows, numLabels }: IntegrationCells, numClusters: number | undefined): string {
  const others = techBatchNames.slice(numKnownBatches);
  return [
    `${batchKey}: ${numKnownBatches} batches, ${rows.train.length} training, ${rows.validation.length} validation and ${rows.test.length} test cells`,
    ...(others.length > 0 ? [`no training cell is of ${others.join(', ')}`] : []),
    numClusters === undefined
      ? `contrast by ${labelKey} of training cells, ${numLabels} types`
      : `contrast by ${numClusters} clusters after Harmony, no label is used`,
  ].join('; ');
}
