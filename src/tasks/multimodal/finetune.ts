// n cells, P proteins
import { Rng } from '../../rng.js';
import { proteinBaselines } from '../../metrics/baselines/protein-baselines.js';
import { scoreProteins, type ProteinScores } from '../../metrics/protein-prediction.js';
import type { Metrics } from '../../train/task.js';
import { expressionMatrix } from '../expression-matrix.js';
import {
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
import { multimodalCells, type MultimodalCells } from './cells.js';
import type { MultimodalConfig } from './config.js';
import { initialHead, initialStateScaling, readHead, type MultimodalHeadInfo } from './head.js';
import { createProteinPredictor, createStateReader, ofCorpus } from './predictor.js';
import { createMultimodalTask } from './task.js';

export type FinetuneMultimodal = FinetuneRequest<MultimodalConfig>;

/** How well surface proteins of test cells were told from their RNA. */
export interface MultimodalResult extends TaskResult {
  readonly task: 'multimodal';
  /** What the figures are in: `clr`, `log1p` or `none`. */
  readonly scale: MultimodalHeadInfo['scale'];
  readonly proteinSource: string;
  /** Cells of the corpus without proteins. */
  readonly numWithout: number;
  /** Of the first seed, and of the best simple method beside it; null where nothing is defined. */
  readonly proteins: readonly {
    readonly name: string;
    readonly pearson: number | null;
    readonly rmse: number;
    readonly ridgePearson?: number | null;
    readonly ridgeRmse?: number;
  }[];
}

/**
 * Fine-tunes a pretrained model on RNA and surface proteins together and scores the proteins it tells from the RNA of test cells, beside the mean,
 * nearest neighbours and ridge regression.
 * @throws ConfigError, DataError, CheckpointError, OutputError: one line each; InterruptedError with the run saved
 */
export function finetuneMultimodal(request: FinetuneMultimodal): Promise<MultimodalResult> {
  return openFinetuning(request, async (room) => {
    const { config, corpus, context, out, seeds } = room;
    const cells = await multimodalCells(corpus, config.data);
    const { proteins: names, scale, source, numWithout, rows } = cells;
    context.say(
      `${names.length} proteins (${source}, ${scale === 'none' ? 'as stored' : scale}); ${rows.train.length} training, ${rows.validation.length} validation and ${rows.test.length} test cells${numWithout > 0 ? `; ${numWithout} cells without proteins left out` : ''}`,
    );
    const runs = await forEachSeed(room, (seedRoom) => trainSeed(seedRoom, cells));
    const baselines = config.baselines ? scoreBaselines(room, cells) : [];
    const ridge = baselines.find(({ name }) => name === 'ridge')?.scores;
    const first = runs[0]!;
    const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);
    const result: MultimodalResult = {
      task: 'multimodal',
      out,
      split: 'test',
      headline: 'proteinPearson',
      scale,
      proteinSource: source,
      numWithout,
      numCells: { train: rows.train.length, validation: rows.validation.length, test: rows.test.length },
      seeds,
      proteins: names.map((name, p) => ({
        name,
        pearson: orNull(first.pearson[p]!),
        rmse: first.rmse[p]!,
        ...(ridge && { ridgePearson: orNull(ridge.pearson[p]!), ridgeRmse: ridge.rmse[p]! }),
      })),
      methods: [
        { name: 'scdiva', title: `ScDiVa, RNA and proteins${config.start === 'scratch' ? ', from scratch' : ''}`, kind: 'model', runs: runs.map(means) },
        ...baselines.map(({ name, title, scores }): MethodResult => ({ name, title, kind: 'baseline', runs: [means(scores)] })),
      ],
    };
    await writeResult(out, result);
    return result;
  });
}

/** Training cells that the readout's input is scaled by. */
const MAX_SAMPLE = 256;

async function trainSeed(room: SeedRoom<MultimodalConfig>, cells: MultimodalCells): Promise<ProteinScores> {
  const { config, corpus, model, seed } = room;
  const head: MultimodalHeadInfo = { task: 'multimodal', embeddingDim: model.modelConfig.hiddenDim, proteins: [...cells.proteins], scale: cells.scale };
  const rng = Rng.fromSeed(seed);
  const fresh = initialHead(head, cells.gather(cells.rows.train), model.parameters, rng.fork('head'));
  const sample = rng
    .fork('sample')
    .permutation(cells.rows.train.length)
    .slice(0, MAX_SAMPLE)
    .map((i) => cells.rows.train[i]!);
  const states = await withExecutor(config, async (executor) => {
    const reader = await createStateReader(executor, model, { info: head, parameters: fresh }, config.train.precision);
    try {
      return await ofCorpus(reader, corpus, sample, model, config);
    } finally {
      reader.dispose();
    }
  });
  const task = createMultimodalTask({ config, corpus, cells, model, head, headParameters: { ...fresh, ...initialStateScaling(states, head) } });
  const trained = await trainTask(room, {
    task,
    head,
    data: { proteins: cells.source, numProteins: cells.proteins.length, numTrainCells: cells.rows.train.length },
  });
  return withExecutor(config, async (executor) => {
    const predictor = await createProteinPredictor(executor, trained, readHead(trained), config.train.precision);
    try {
      return scoreProteins(cells.gather(cells.rows.test), await ofCorpus(predictor, corpus, cells.rows.test, trained, config), cells.proteins.length);
    } finally {
      predictor.dispose();
    }
  });
}

const means = ({ proteinPearson, proteinRmse }: ProteinScores): Metrics => ({ ...(Number.isFinite(proteinPearson) && { proteinPearson }), proteinRmse });

function scoreBaselines(
  { config, corpus, pretrained, context }: Finetuning<MultimodalConfig>,
  cells: MultimodalCells,
): { name: string; title: string; scores: ProteinScores }[] {
  const { train, validation, test } = cells.rows;
  const bar = context.progress.start('Fit baselines', train.length, 'cells');
  try {
    const of = (rows: Int32Array) => expressionMatrix(corpus, rows, pretrained.preprocessing);
    const numProteins = cells.proteins.length;
    const fitted = proteinBaselines({
      train: of(train),
      validation: of(validation),
      test: of(test),
      trainProteins: cells.gather(train),
      validationProteins: cells.gather(validation),
      numProteins,
      rng: Rng.fromSeed(config.train.seed).fork('baselines'),
    });
    bar.update(train.length);
    return fitted.map(({ name, title, predicted }) => ({ name, title, scores: scoreProteins(cells.gather(test), predicted, numProteins) }));
  } finally {
    bar.stop();
  }
}
