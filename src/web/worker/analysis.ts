// n cells, D cell embedding, C classes
import { mapGenes } from '../../data/genes/mapping.js';
import { observe } from '../../data/loader/depth.js';
import { RowTranslator } from '../../data/loader/row-translator.js';
import { logNormal } from '../../data/loader/serialize.js';
import { valueScale } from '../../data/loader/value-scale.js';
import { openCellFile } from '../../data/readers/open.js';
import type { CellFile } from '../../data/readers/reader.js';
import { writeAnnotatedH5ad } from '../../data/writers/h5ad.js';
import { DataError } from '../../errors.js';
import { annotationsOf, embeddingsOf, type Provenance } from '../../inference/annotations.js';
import { cellSource } from '../../inference/cell-source.js';
import type { Annotation } from '../../inference/engine.js';
import type { EncodedCells } from '../../inference/scdiva.js';
import { mostLikely } from '../../metrics/most-likely.js';
import type { Progress } from '../../progress.js';
import { chooseCells, placeCells } from '../../report/umap.js';
import { Rng } from '../../rng.js';
import { UNKNOWN_LABEL } from '../../tasks/annotation/predictions.js';
import { readFileSystem } from '../node/read.js';
import type { Analysis } from '../messages.js';
import type { ModelRunner } from './model-runner.js';
import type { SiteModel } from './site-model.js';

/** More cells than this neither draw well nor are placed soon. */
const MOST_ON_MAP = 10_000;
const MOST_CATEGORIES = 40;
const OUTPUT = '/tmp/annotated.h5ad';

/** One file of cells, from the drop to the download. */
export class OpenAnalysis {
  private constructor(
    private readonly path: string,
    private readonly cells: CellFile,
    private readonly model: SiteModel,
    private readonly result: EncodedCells & Partial<Annotation>,
    readonly analysis: Analysis,
  ) {}

  /** @param path of the file in the worker's file system @throws DataError */
  static async run(path: string, model: SiteModel, runner: ModelRunner, progress: Progress): Promise<OpenAnalysis> {
    const started = performance.now();
    const cells = await openCellFile(path);
    try {
      const { batches, ...source } = await cellSource(cells, model, { batchSize: runner.batchSize(model.preprocessing.maxGenes) });
      const read = performance.now();
      const n = batches.numCells;
      const [D, C] = [model.settings.embeddingDim, model.settings.classes.length];
      const latent = new Float32Array(n * D).fill(NaN);
      const probabilities = new Float64Array(n * C).fill(NaN);
      const bar = progress.start('Compute the cells', n, 'cells');
      let done = 0;
      for await (const batch of batches) {
        const computed = await runner.run(batch);
        batch.cellIndex.forEach((row, i) => {
          latent.set(computed.latent.subarray(i * D, (i + 1) * D), row * D);
          if (computed.probabilities) probabilities.set(computed.probabilities.subarray(i * C, (i + 1) * C), row * C);
        });
        bar.update((done += batch.numCells));
      }
      const embedded = performance.now();
      const encoded: EncodedCells = {
        latent: { dtype: 'float32', shape: [n, D], data: latent },
        emptyRows: [...batches.emptyRows],
        source: { ...source, shareOfExpression: batches.shareOfExpression },
      };
      const result = model.head ? { ...encoded, ...labelled(encoded, probabilities, model.head) } : encoded;
      const map = placed(encoded, D, progress);
      const seconds = { read: (read - started) / 1000, embed: (embedded - read) / 1000, map: (performance.now() - embedded) / 1000 };
      return new OpenAnalysis(path, cells, model, result, { kind: 'analysis', ...described(cells, result, model), map, seconds });
    } catch (error) {
      cells.close();
      throw error;
    }
  }

  /** [n] log-normalised expression of one gene, as the model is shown it. */
  async expression(name: string): Promise<Float32Array> {
    const { vocabulary, preprocessing } = this.model;
    const id = vocabulary.idOf(name);
    if (id === undefined) throw new DataError({ key: name, found: 'is no gene that the model knows' });
    const matrix = this.cells.matrix(this.result.source.matrix.key);
    const scale = valueScale(this.result.source.matrix);
    const translator = new RowTranslator(mapGenes(matrix.genes, vocabulary).vocabularyIds, vocabulary.size, scale);
    const values = new Float32Array(this.cells.numCells);
    for await (const block of matrix.rowBlocks()) {
      for (let r = 0; r < block.numRows; r++) {
        const cell = translator.translate(block, r);
        const at = cell.geneIds.indexOf(id);
        if (at < 0) continue;
        const { linearFactor } = observe(cell, scale, preprocessing.targetSum);
        values[block.firstRow + r] = logNormal(cell.values[at]!, linearFactor, scale);
      }
    }
    return values;
  }

  /** The file with what was found added to it: what `scdiva annotate` writes. */
  async save(provenance: Provenance): Promise<Uint8Array<ArrayBuffer>> {
    const { head } = this.model;
    const annotations = head ? annotationsOf(this.result as Annotation, head, provenance) : embeddingsOf(this.result, provenance);
    await writeAnnotatedH5ad({ input: this.path, output: OUTPUT, ...annotations });
    return readFileSystem(OUTPUT);
  }

  close(): void {
    this.cells.close();
  }
}

type Labelled = Pick<Annotation, 'labels' | 'confidence' | 'mostLikely' | 'probabilities' | 'classes' | 'threshold' | 'numUnknown'>;

/** As ScDiVaInference.annotate, from probabilities that the model has calibrated already. */
function labelled(
  { emptyRows }: EncodedCells,
  probabilities: Float64Array,
  { classes, unknownThreshold: threshold }: NonNullable<SiteModel['head']>,
): Labelled {
  const { predicted, confidence } = mostLikely(probabilities, classes.length);
  for (const row of emptyRows) {
    predicted[row] = -1;
    confidence[row] = 0;
  }
  const labels = Array.from(predicted, (code, i) => (code < 0 || confidence[i]! < threshold ? UNKNOWN_LABEL : classes[code]!));
  const isGiven = Array.from(predicted, (code, i) => code >= 0 && confidence[i]! >= threshold);
  return { labels, confidence, mostLikely: predicted, probabilities, classes, threshold, numUnknown: isGiven.filter((given) => !given).length };
}

function placed({ latent, emptyRows }: EncodedCells, D: number, progress: Progress): Analysis['map'] {
  const isEmpty = new Set(emptyRows);
  const rng = Rng.fromSeed(0).fork('map');
  const all = Int32Array.from({ length: latent.shape[0] }, (_, row) => row).filter((row) => !isEmpty.has(row));
  const rows = all.length > MOST_ON_MAP ? chooseCells(all, () => false, MOST_ON_MAP, rng.fork('choose')) : all;
  const embedding = new Float32Array(rows.length * D);
  rows.forEach((row, i) => embedding.set(latent.data.subarray(row * D, (row + 1) * D), i * D));
  const { x, y, method } = placeCells(embedding, D, rng, progress);
  return {
    rows,
    x,
    y,
    method: rows.length < all.length ? `${method} ${rows.length.toLocaleString('en')} of ${all.length.toLocaleString('en')} cells, by lot.` : method,
  };
}

function described(
  cells: CellFile,
  { latent, emptyRows, source, labels, confidence, threshold = 0, numUnknown = 0, classes = [] }: EncodedCells & Partial<Annotation>,
  { vocabulary }: SiteModel,
): Omit<Analysis, 'kind' | 'map' | 'seconds'> {
  const { matrix, coverage, notes, shareOfExpression } = source;
  const categories = [...new Set([...classes, UNKNOWN_LABEL])].filter((name) => labels?.includes(name));
  const known = new Set(Array.from(mapGenes(cells.matrix(matrix.key).genes, vocabulary).vocabularyIds).filter((id) => id >= 0));
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return {
    fileName: cells.path.slice(cells.path.lastIndexOf('/') + 1),
    numCells: latent.shape[0],
    numEmpty: emptyRows.length,
    cellIds: cells.cellIds,
    ...(labels &&
      confidence && {
        labels: {
          categories,
          codes: Int32Array.from(labels, (label) => categories.indexOf(label)),
          confidence: Float32Array.from(confidence),
          numUnknown,
          threshold,
        },
      }),
    columns: cells.obsKeys.flatMap((name) => {
      const column = cells.obs(name);
      return column.kind === 'categorical' && column.categories.length > 1 && column.categories.length <= MOST_CATEGORIES
        ? [{ name, categories: column.categories, codes: column.codes }]
        : [];
    }),
    genes: [...known]
      .map((id) => vocabulary.gene(id))
      .map(({ symbol, ensemblId }) => symbol || ensemblId)
      .sort(),
    facts: [
      `Read from ${matrix.key}: ${matrix.valueKind} (${matrix.evidence}).`,
      `The model knows ${coverage.numMatched.toLocaleString('en')} of ${coverage.numGenes.toLocaleString('en')} genes, with ${percent(shareOfExpression)} of the expression.`,
      ...(emptyRows.length > 0
        ? [`${emptyRows.length.toLocaleString('en')} cells have no gene that the model knows: they have no label and are not on the map.`]
        : []),
      ...notes.map((note) => `${note[0]!.toUpperCase()}${note.slice(1)}.`),
    ],
  };
}
