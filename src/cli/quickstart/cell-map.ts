import { openCorpus } from '../../data/corpus/corpus.js';
import type { CellMap } from '../../report/data.js';
import { chooseCells, placeCells } from '../../report/umap.js';
import { Rng } from '../../rng.js';
import { createExecutor } from '../../runtime/program/executor.js';
import { EmbeddingTable } from '../../tasks/embedding-table.js';
import { readHead } from '../../tasks/annotation/head.js';
import { createHeadClassifier } from '../../tasks/annotation/head-classifier.js';
import { predictLabels } from '../../tasks/annotation/predictions.js';
import { loadCheckpoint } from '../../train/checkpoint.js';
import type { VerbContext } from '../context.js';

/** More cells than this neither draw well nor are placed soon. */
const MOST_CELLS = 2500;
const BATCH_SIZE = 64;

export interface MapRequest {
  readonly corpus: string;
  /** An annotation checkpoint. */
  readonly checkpoint: string;
  readonly labelKey: string;
  readonly seed: number;
}

/** The cells of a corpus in the plane of their embeddings, with their labels and what the checkpoint takes them for. */
export async function mapCells({ corpus: path, checkpoint: folder, labelKey, seed }: MapRequest, { progress, signal }: VerbContext): Promise<CellMap> {
  const rng = Rng.fromSeed(seed).fork('map');
  const checkpoint = await loadCheckpoint(folder);
  const head = readHead(checkpoint);
  const corpus = await openCorpus(path);
  const executor = await createExecutor({ kind: 'auto' });
  try {
    const test = new Set(corpus.splitRows('test'));
    const rows = chooseCells(
      Int32Array.from({ length: corpus.numCells }, (_, row) => row),
      (row) => test.has(row),
      MOST_CELLS,
      rng.fork('choose'),
    );
    const table = await EmbeddingTable.compute(corpus, rows, {
      model: checkpoint,
      executor,
      precision: 'f32',
      batchSize: BATCH_SIZE,
      loader: { numWorkers: 1, compiledLoops: true, sortWindow: 16 },
      progress,
      signal,
    });
    const embeddings = table.gather(rows);
    const classifier = await createHeadClassifier(executor, head);
    const { predicted } = predictLabels(await classifier.logits(embeddings), head.info);
    classifier.dispose();
    const { x, y, method } = placeCells(embeddings, table.embeddingDim, rng, progress);
    const names = corpus.labelNames(labelKey);
    const codes = corpus.labelCodes(labelKey);
    const used = new Set(Array.from(rows, (row) => names[codes[row]!]));
    const classes = [...head.info.classes, ...names.filter((name) => used.has(name) && !head.info.classes.includes(name))];
    return {
      method,
      labelKey,
      classes,
      x: Array.from(x, rounded),
      y: Array.from(y, rounded),
      label: Array.from(rows, (row) => classes.indexOf(names[codes[row]!] ?? '')),
      predicted: Array.from(predicted),
      isTest: Array.from(rows, (row) => test.has(row)),
      numCells: corpus.numCells,
    };
  } finally {
    executor.dispose();
    corpus.close();
  }
}

/** A drawing needs no more than three decimals, and the file stays small. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
