// n cells, Z latent dimensions, G decoded genes
import { Rng } from '../../rng.js';
import { drawnCells, gaussianCells, shuffledCells } from '../../metrics/baselines/made-up-cells.js';
import { applyPca, fitPca } from '../../metrics/baselines/pca.js';
import type { SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { activeUnits } from '../../metrics/active-units.js';
import { scoreGenerated } from '../../metrics/two-sample.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { createEvaluator } from '../../train/evaluation.js';
import type { Metrics } from '../../train/task.js';
import { scoreBaselines as scoreTypeBaselines } from '../annotation/baselines.js';
import { annotationLabels, type AnnotationLabels } from '../annotation/labels.js';
import { EmbeddingTable } from '../embedding-table.js';
import { expressionMatrix } from '../expression-matrix.js';
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
import { baselineEmbeddings } from '../integration/baselines.js';
import { codesOf, integrationCells, type IntegrationCells } from '../integration/cells.js';
import { scoreEmbedding } from '../integration/scores.js';
import type { VariationalConfig } from './config.js';
import { decodedGenes, takeGenes, type DecodedGenes } from './gene-targets.js';
import { readHead, type VariationalHeadInfo } from './head.js';
import { createLatentSpace, type LatentSpace } from './latent-space.js';
import { drawFromPosterior, drawFromPrior, makeCells } from './make-cells.js';
import { writePosterior, type StoredPosterior } from './posterior-file.js';
import { reconstructionR2 } from './reconstruction.js';
import { createVariationalTask } from './task.js';

export type FinetuneVariational = FinetuneRequest<VariationalConfig>;
type Room = Finetuning<VariationalConfig>;

/** What a latent space came to, on the test cells. */
export interface VariationalResult extends TaskResult {
  readonly task: 'variational';
  readonly latentDim: number;
  readonly numGenes: number;
  /** Cells made by each method, as many as test cells they are compared with. */
  readonly numGenerated: number;
  readonly labelKey: string | null;
  readonly batchKey: string | null;
}

/** What the corpus says, the same for every seed. */
interface Ground {
  readonly genes: DecodedGenes;
  readonly labels: AnnotationLabels | undefined;
  readonly cells: IntegrationCells | undefined;
  /** Training cells that simple methods make new ones from, and the test cells that all are held against, over the decoded genes. */
  readonly train: SparseMatrix;
  readonly test: SparseMatrix;
  readonly trainRows: Int32Array;
  readonly testRows: Int32Array;
}

/** Training cells that the head's input is scaled by. */
const MAX_SAMPLE = 256;
/** Training cells that are kept with the checkpoint, and that simple methods are fitted on. */
const MAX_TRAIN_CELLS = 2000;
/** Test cells that made-up ones are held against. */
const MAX_TEST_CELLS = 2000;

/**
 * Gives a pretrained model a variational latent space, and judges on test cells what it keeps of a cell and how real the cells are that it makes:
 * beside principal components with a normal distribution of each class, genes drawn one by one, and other real cells.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export function finetuneVariational(request: FinetuneVariational): Promise<VariationalResult> {
  return openFinetuning(request, async (room) => {
    const { config, corpus, out, seeds } = room;
    const ground = readGround(room);
    const { genes, labels, cells, testRows } = ground;
    room.context.say(
      `${genes.geneIds.length} genes are decoded from ${config.latent.dim} latent dimensions${labels ? `; types: ${labels.key}` : ''}${cells ? `; the decoder is told ${cells.batchKey}` : ''}`,
    );
    const runs = await forEachSeed(room, (seedRoom) => trainSeed(seedRoom, ground));
    const result: VariationalResult = {
      task: 'variational',
      out,
      split: 'test',
      headline: 'twoSampleAuc',
      latentDim: config.latent.dim,
      numGenes: genes.geneIds.length,
      numGenerated: testRows.length,
      labelKey: labels?.key ?? null,
      batchKey: cells?.batchKey ?? null,
      numCells: { train: corpus.splitRows('train').length, validation: corpus.splitRows('validation').length, test: corpus.splitRows('test').length },
      seeds,
      methods: [
        {
          name: 'scdiva',
          title: `ScDiVa, ${config.latent.dim} latent dimensions${config.start === 'scratch' ? ', from scratch' : ''}`,
          kind: 'model',
          runs: runs.map(({ posterior }) => posterior),
        },
        { name: 'scdivaPrior', title: 'the same, cells from the prior', kind: 'model', runs: runs.map(({ prior }) => prior) },
        ...(config.baselines ? await scoreBaselines(room, ground) : []),
      ],
    };
    await writeResult(out, result);
    return result;
  });
}

function readGround({ config, corpus, pretrained }: Room): Ground {
  const rng = Rng.fromSeed(config.train.seed).fork('ground');
  const cells = config.integration ? integrationCells(corpus, config.integration.batchKey, config.labels?.labelKey ?? null) : undefined;
  const some = (split: 'train' | 'test', most: number): Int32Array => {
    const rows = cells?.rows[split] ?? corpus.splitRows(split);
    return rng
      .fork(split)
      .permutation(rows.length)
      .slice(0, most)
      .map((i) => rows[i]!)
      .sort();
  };
  const genes = decodedGenes(corpus, config.genes.numGenes);
  const [trainRows, testRows] = [some('train', MAX_TRAIN_CELLS), some('test', MAX_TEST_CELLS)];
  const expression = (rows: Int32Array) => takeGenes(expressionMatrix(corpus, rows, pretrained.preprocessing), genes.geneIds);
  return {
    genes,
    labels: config.labels ? annotationLabels(corpus, config.labels.labelKey) : undefined,
    cells,
    train: expression(trainRows),
    test: expression(testRows),
    trainRows,
    testRows,
  };
}

async function trainSeed(room: SeedRoom<VariationalConfig>, ground: Ground): Promise<{ posterior: Metrics; prior: Metrics }> {
  const { config, corpus, model, seed, out } = room;
  const { genes, labels, cells } = ground;
  const rng = Rng.fromSeed(seed);
  const head: VariationalHeadInfo = {
    task: 'variational',
    embeddingDim: model.modelConfig.hiddenDim,
    latentDim: config.latent.dim,
    likelihood: 'hurdle',
    klWeight: config.latent.klWeight,
    hiddenDim: config.genes.hiddenDim,
    labelKey: labels?.key ?? null,
    classes: labels ? [...labels.classes] : [],
    labelDim: config.labels?.hiddenDim ?? 1,
    batchKey: cells?.batchKey ?? null,
    techBatches: cells ? cells.techBatchNames.slice(0, cells.numKnownBatches) : [],
    geneIds: [...genes.geneIds],
  };
  const techBatches = cells?.techBatches.map((code) => (code < cells.numKnownBatches ? code : -1));
  const sample = await embedRows(
    room,
    model,
    rng
      .fork('sample')
      .permutation(ground.trainRows.length)
      .slice(0, MAX_SAMPLE)
      .map((i) => ground.trainRows[i]!),
    'nothing was trained yet: start again',
  );
  const task = createVariationalTask({ config, corpus, genes, labels, techBatches, model, head, sample, rng });
  const trained = await trainTask(room, {
    task,
    head,
    data: { labelKey: head.labelKey ?? 'none', batchKey: head.batchKey ?? 'none', numTrainCells: corpus.splitRows('train').length },
  });
  const after = 'the training is done and saved: --resume does the rest';
  const [trainEmbedded, testEmbedded] = [await embedRows(room, trained, ground.trainRows, after), await embedRows(room, trained, ground.testRows, after)];
  return withExecutor(config, async (executor) => {
    const variables = await executor.createVariables({ ...trained.parameters, ...trained.head?.parameters });
    const evaluator = createEvaluator({ task, executor, variables, config: { ...config.train, ema: null }, root: rng });
    const space = await createLatentSpace(executor, readHead(trained));
    try {
      const none = (rows: Int32Array) => new Int32Array(rows.length).fill(-1);
      const codes = (rows: Int32Array) => rows.map((row) => (techBatches ? techBatches[row]! : -1));
      const stored: StoredPosterior = {
        ...(await space.encode(trainEmbedded)),
        labels: labels ? ground.trainRows.map((row) => labels.codes[row]!) : none(ground.trainRows),
        techBatches: codes(ground.trainRows),
      };
      for (const folder of new Set([trained.folder, out])) await writePosterior(folder, stored, head);
      const scores = await evaluator.evaluate('test');
      const { mu } = await space.encode(testEmbedded);
      const expected = expectedLevels((await space.decode(mu, codes(ground.testRows))).levels, genes.geneIds.length);
      const generate = (draws: ReturnType<typeof drawFromPrior>, stream: Rng) =>
        scoreMade(space, draws, ground, corpus.vocabulary.size, stream, scoreStream(config));
      const n = ground.testRows.length;
      const posterior = await generate(drawFromPosterior(stored, n, rng.fork('posterior')), rng.fork('posterior/cells'));
      const prior = await generate(drawFromPrior(n, head.latentDim, stored.techBatches, rng.fork('prior')), rng.fork('prior/cells'));
      const integration = cells
        ? await scoreEmbedding(
            { numRows: n, numColumns: head.latentDim, data: mu },
            { labels: codesOf(cells.labels, ground.testRows), techBatches: codesOf(cells.techBatches, ground.testRows) },
            scoreStream(config),
          )
        : {};
      return {
        posterior: {
          ...scores,
          reconstructionR2: reconstructionR2(ground.test, expected, ground.genes.means),
          shareActiveUnits: activeUnits(mu, head.latentDim) / head.latentDim,
          ...posterior,
          ...pickIntegration(integration),
        },
        prior,
      };
    } finally {
      space.dispose();
      evaluator.dispose();
      variables.dispose();
    }
  });
}

async function scoreMade(
  space: LatentSpace,
  draws: ReturnType<typeof drawFromPrior>,
  { genes, test }: Ground,
  vocabSize: number,
  rng: Rng,
  stream: Rng,
): Promise<Metrics> {
  return { ...scoreGenerated(test, takeGenes(await makeCells(space, draws, vocabSize, rng), genes.geneIds), stream) };
}

/** [n, D] */
async function embedRows({ config, corpus, context }: Room, model: Checkpoint, rows: Int32Array, afterInterrupt: string): Promise<Float32Array> {
  return withExecutor(config, async (executor) =>
    (await EmbeddingTable.compute(corpus, rows, embeddingOptions(config, model, executor, context, afterInterrupt))).gather(rows),
  );
}

const pickIntegration = ({ avgBio, avgBatch }: Metrics): Metrics => ({ ...(avgBio !== undefined && { avgBio }), ...(avgBatch !== undefined && { avgBatch }) });

/** One for all methods and seeds: what differs is the cells. */
const scoreStream = ({ train }: VariationalConfig): Rng => Rng.fromSeed(train.seed).fork('scores');

/** Simple methods, fitted on the training cells that are kept, held against the same test cells. */
async function scoreBaselines(
  { config, corpus, pretrained, context }: Room,
  { genes, labels, cells, train, test, trainRows, testRows }: Ground,
): Promise<MethodResult[]> {
  const rng = Rng.fromSeed(config.train.seed).fork('baselines');
  const classes = labels ? trainRows.map((row) => labels.codes[row]!) : new Int32Array(trainRows.length).fill(-1);
  const n = testRows.length;
  const bar = context.progress.start('Score baselines', 3, 'methods');
  try {
    const numComponents = Math.min(config.latent.dim, 50);
    const pca = fitPca(train, numComponents, rng.fork('pca'));
    const made = (cellsMade: SparseMatrix): Metrics => ({ ...scoreGenerated(test, cellsMade, scoreStream(config)) });
    const one = (name: string, title: string, scores: Metrics): MethodResult => ({ name, title, kind: 'baseline', runs: [scores] });
    const results = [
      one('pcaGaussian', `${pca.components.length} PCs, normal in ${labels ? 'each type' : 'them'}`, {
        reconstructionR2: reconstructionR2(test, fromComponents(pca, test), genes.means),
        ...made(gaussianCells(train, classes, numComponents, n, rng.fork('gaussian'))),
      }),
    ];
    bar.update(1);
    results.push(one('shuffled', `genes drawn one by one${labels ? ' in each type' : ''}`, made(shuffledCells(train, classes, n, rng.fork('shuffled')))));
    bar.update(2);
    results.push(one('realCells', 'other real cells', made(drawnCells(train, n, rng.fork('drawn')))));
    if (labels)
      for (const { name, title, runs } of scoreTypeBaselines(corpus, labels, pretrained.preprocessing, rng.fork('types')))
        results.push(one(name, title, { accuracy: runs[0]!['accuracy']!, macroF1: runs[0]!['macroF1']! }));
    if (cells) {
      for (const { name, title, points } of baselineEmbeddings(
        corpus,
        { ...cells, rows: { ...cells.rows, test: testRows } },
        pretrained.preprocessing,
        rng.fork('integration'),
      ).embeddings) {
        if (name === 'raw') continue;
        results.push(
          one(
            name,
            title,
            pickIntegration(
              await scoreEmbedding(points, { labels: codesOf(cells.labels, testRows), techBatches: codesOf(cells.techBatches, testRows) }, scoreStream(config)),
            ),
          ),
        );
      }
    }
    bar.update(3);
    return results;
  } finally {
    bar.stop();
  }
}

/** [n, 3, G] → [n, G], the last of the three. */
function expectedLevels(levels: Float32Array, G: number): Float32Array {
  const out = new Float32Array(levels.length / 3);
  for (let i = 0; i < out.length / G; i++) out.set(levels.subarray((3 * i + 2) * G, (3 * i + 3) * G), i * G);
  return out;
}

/** Cells as their principal components have them. [n, G] */
function fromComponents(pca: ReturnType<typeof fitPca>, x: SparseMatrix): Float32Array {
  const { data, numColumns: K } = applyPca(pca, x);
  const G = x.numColumns;
  const out = new Float32Array(x.numRows * G);
  for (let row = 0; row < x.numRows; row++) {
    const levels = pca.means.slice();
    for (let k = 0; k < K; k++) for (let g = 0; g < G; g++) levels[g]! += data[row * K + k]! * pca.components[k]![g]!;
    out.set(levels, row * G);
  }
  return out;
}
