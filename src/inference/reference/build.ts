// n labelled cells, D cell embedding, C classes
import { stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError, DataError } from '../../errors.js';
import { sha256File, writeFolderAtomic } from '../../files.js';
import { columnTexts } from '../../data/readers/column-texts.js';
import { hashSource } from '../../data/readers/reference.js';
import { openCellFile } from '../../data/readers/open.js';
import { indexPoints, neighboursAmong } from '../../metrics/approximate-neighbours.js';
import type { NeighbourIndex } from '../../metrics/neighbour-index.js';
import type { Neighbours } from '../../metrics/neighbours.js';
import { writeSafetensors } from '../../model/safetensors.js';
import type { ReadOptions } from '../cell-source.js';
import type { ScDiVa } from '../scdiva.js';
import { embeddingFingerprint, newManifest, REFERENCE_FILES, type ReferenceManifest } from './manifest.js';
import { distanceCurve } from '../../metrics/typicality.js';
import { weightedVotes } from './vote.js';

export interface BuildReferenceOptions extends ReadOptions {
  /** Cells that vote, default 15. */
  readonly numNeighbours?: number | undefined;
  /** Cells that are less typical than this share of the reference's own are called unknown, default 0.01. */
  readonly threshold?: number | undefined;
}

export interface BuiltReference {
  readonly manifest: ReferenceManifest;
  /** Cells left out: without a label, or without any gene that the model knows. */
  readonly numUnlabelled: number;
  readonly numEmpty: number;
}

const DEFAULT_NEIGHBOURS = 15;
const DEFAULT_THRESHOLD = 0.01;

/**
 * Embeds the labelled cells of a file and writes them, with an index of who is near whom, as a folder that other cells are mapped to. The
 * file is read in blocks; memory holds the embeddings, n × D numbers, about twice.
 * @throws DataError when there is no such column or fewer labelled cells than vote; OutputError when the folder cannot be written
 */
export async function buildReference(
  model: ScDiVa,
  { input, labelKey, out, version }: { readonly input: string; readonly labelKey: string; readonly out: string; readonly version: string },
  options: BuildReferenceOptions = {},
): Promise<BuiltReference> {
  const { numNeighbours = DEFAULT_NEIGHBOURS, threshold = DEFAULT_THRESHOLD, ...reading } = options;
  if (!(Number.isInteger(numNeighbours) && numNeighbours > 0))
    throw new ConfigError({ key: 'neighbours', found: String(numNeighbours), expected: 'a whole number above 0' });
  if (!(threshold >= 0 && threshold < 1)) throw new ConfigError({ key: 'threshold', found: String(threshold), expected: 'a number from 0 to below 1' });
  const cells = await openCellFile(input);
  let encoded: Awaited<ReturnType<ScDiVa['encode']>>;
  let names: readonly (string | null)[];
  try {
    names = columnTexts(cells.obs(labelKey));
    encoded = await model.encode(cells, reading);
  } finally {
    cells.close();
  }
  const isEmpty = new Set(encoded.emptyRows);
  const rows = [...names.keys()].filter((row) => names[row] !== null && !isEmpty.has(row));
  if (rows.length <= numNeighbours)
    throw new DataError({
      file: input,
      key: `obs['${labelKey}']`,
      found: `${rows.length} labelled cells`,
      expected: `more than the ${numNeighbours} that vote`,
    });
  const classes = [...new Set(rows.map((row) => names[row]!))].sort();
  const codeOf = new Map(classes.map((name, code) => [name, code]));
  const labels = Int32Array.from(rows, (row) => codeOf.get(names[row]!)!);
  const D = model.embeddingDim;
  const data = new Float32Array(rows.length * D);
  rows.forEach((row, i) => data.set(encoded.latent.data.subarray(row * D, (row + 1) * D), i * D));
  const points = { numRows: rows.length, numColumns: D, data };
  const index = indexPoints(points, { k: numNeighbours + 1 });
  const own = withoutSelf(neighboursAmong(index, points, numNeighbours + 1));
  const { predicted, distance } = weightedVotes(own, labels, classes.length);
  const content = {
    version,
    model: { name: basename(model.checkpoint.folder), fingerprint: await embeddingFingerprint(model.checkpoint) },
    source: { file: basename(input), sha256: await hashSource(input), matrix: encoded.source.matrix.key, valueKind: encoded.source.matrix.valueKind },
    labelKey,
    classes,
    classSizes: classes.map((_, code) => labels.reduce((count, its) => count + (its === code ? 1 : 0), 0)),
    numCells: rows.length,
    embeddingDim: D,
    numNeighbours,
    leaveOneOut: { accuracy: predicted.reduce((right, code, i) => right + (code === labels[i] ? 1 : 0), 0) / rows.length, distances: distanceCurve(distance) },
    threshold,
  };
  const manifest = await write(out, content, index, labels);
  return { manifest, numUnlabelled: names.filter((name) => name === null).length, numEmpty: encoded.emptyRows.length };
}

/** Every cell's neighbours but itself. */
function withoutSelf({ numCells, k, indices, distances }: Neighbours): Neighbours {
  const others = { numCells, k: k - 1, indices: new Int32Array(numCells * (k - 1)), distances: new Float64Array(numCells * (k - 1)) };
  for (let i = 0; i < numCells; i++) {
    others.indices.set(indices.subarray(i * k + 1, (i + 1) * k), i * (k - 1));
    others.distances.set(distances.subarray(i * k + 1, (i + 1) * k), i * (k - 1));
  }
  return others;
}

async function write(out: string, content: Omit<ReferenceManifest, 'format' | 'files'>, index: NeighbourIndex, labels: Int32Array): Promise<ReferenceManifest> {
  let manifest!: ReferenceManifest;
  await writeFolderAtomic(out, async (folder) => {
    const file = (name: string): string => join(folder, name);
    index.save(file(REFERENCE_FILES.neighbours));
    await writeSafetensors(file(REFERENCE_FILES.labels), { labels: { dtype: 'int32', shape: [labels.length], data: labels } });
    const facts = async (name: string) => ({ sizeBytes: (await stat(file(name))).size, sha256: await sha256File(file(name)) });
    manifest = newManifest({
      ...content,
      files: { [REFERENCE_FILES.neighbours]: await facts(REFERENCE_FILES.neighbours), [REFERENCE_FILES.labels]: await facts(REFERENCE_FILES.labels) },
    });
    await writeFile(file(REFERENCE_FILES.manifest), `${JSON.stringify(manifest, null, 1)}\n`);
  });
  return manifest;
}
