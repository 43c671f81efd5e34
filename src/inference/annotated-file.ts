// n cells, D cell embedding, C classes
import { existsSync, statSync } from 'node:fs';
import { open, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError, OutputError } from '../errors.js';
import { asOutputError, sha256File, temporaryName } from '../files.js';
import { openCellFile } from '../data/readers/open.js';
import { sourceName } from '../data/readers/reference.js';
import { writeAnnotatedH5ad } from '../data/writers/h5ad.js';
import { CHECKPOINT_FILES } from '../train/checkpoint.js';
import { annotationsOf, describeReading, embeddingsOf, labelColumn, type Provenance } from './annotations.js';
import type { ReadOptions } from './cell-source.js';
import type { Annotation, AnnotateOptions, ScDiVaInference } from './engine.js';
import type { EncodedCells, ScDiVa } from './scdiva.js';

/** One file to read and one to write. */
export interface FileJob {
  readonly input: string;
  readonly output: string;
}

/** What was done with one file. */
export interface FileReport extends FileJob {
  readonly numCells: number;
  /** Cells without any gene of the vocabulary. */
  readonly numEmpty: number;
  readonly matrix: string;
  readonly valueKind: string;
  readonly numGenes: number;
  readonly numGenesMatched: number;
  /** Share of the matrix's genes that the model knows. */
  readonly geneCoverage: number;
  /** Share of the file's expression in genes the model knows. */
  readonly expressionCoverage: number;
  /** Assumptions and losses, one sentence each. */
  readonly notes: readonly string[];
}

export interface AnnotationReport extends FileReport {
  readonly numUnknown: number;
  readonly threshold: number;
  /** Cells of each label that was given. */
  readonly labels: Readonly<Record<string, number>>;
}

/** The input with obsm['X_scdiva'], of a variational model obsm['X_scdiva_latent'] too, and uns['scdiva'] added; cells without known genes have NaN rows. */
export async function embedFile(model: ScDiVa, job: FileJob, provenance: Provenance, options: ReadOptions = {}): Promise<FileReport> {
  await checkOutput(job);
  const cells = await openCellFile(job.input);
  let encoded: EncodedCells;
  try {
    encoded = await model.encode(cells, options);
  } finally {
    cells.close();
  }
  const { notes } = await writeAnnotatedH5ad({ ...job, ...embeddingsOf(encoded, provenance) });
  return reportOf(job, encoded, notes);
}

/** The input with obsm['X_scdiva_integrated'] and uns['scdiva'] added: neighbours and UMAP are made from it as from X_pca. */
export async function integrateFile(engine: ScDiVaInference, job: FileJob, provenance: Provenance, options: ReadOptions = {}): Promise<FileReport> {
  await checkOutput(job);
  const { batchKey, contrastive } = engine.integrationInfo();
  const cells = await openCellFile(job.input);
  let placed: EncodedCells;
  try {
    placed = await engine.integrate(cells, options);
  } finally {
    cells.close();
  }
  const { notes } = await writeAnnotatedH5ad({
    ...job,
    obsm: { X_scdiva_integrated: { values: placed.latent.data, numDims: placed.latent.shape[1] } },
    uns: { scdiva: { ...describeReading(placed, provenance), batch_key: batchKey, contrastive } },
  });
  return reportOf(job, placed, notes);
}

export interface AnnotateFileOptions extends AnnotateOptions {
  /** Adds obsm['scdiva_probabilities'], one column a class, in the order of uns['scdiva']['classes']. Default false. */
  readonly withProbabilities?: boolean;
}

/** The input with obs['scdiva_cell_type'], obs['scdiva_confidence'], obs['scdiva_typicality'], obsm['X_scdiva'] and uns['scdiva'] added. */
export async function annotateFile(
  engine: ScDiVaInference,
  job: FileJob,
  provenance: Provenance,
  options: AnnotateFileOptions = {},
): Promise<AnnotationReport> {
  await checkOutput(job);
  const head = engine.headInfo();
  const cells = await openCellFile(job.input);
  let annotation: Annotation;
  try {
    annotation = await engine.annotate(cells, options);
  } finally {
    cells.close();
  }
  const { labels, classes, threshold, numUnknown } = annotation;
  const { notes } = await writeAnnotatedH5ad({ ...job, ...annotationsOf(annotation, head, provenance, options.withProbabilities) });
  return { ...reportOf(job, annotation, notes), numUnknown, threshold, labels: labelColumn(labels, classes).counts };
}

/** Hashes of what a checkpoint computes with. */
export async function provenanceOf({ checkpoint }: ScDiVa, version: string, usesHead: boolean): Promise<Provenance> {
  const files = [...checkpoint.weightsFiles, ...(usesHead ? [join(checkpoint.folder, CHECKPOINT_FILES.headWeights)] : [])];
  const hashes = await Promise.all(files.map(async (file): Promise<[string, string]> => [basename(file), await sha256File(file)]));
  return { version, checkpoint: checkpoint.folder, sha256: Object.fromEntries(hashes) };
}

/**
 * Where the results of some files go: one file to `out`, or into it when it is a folder; several into the folder `out`, each under
 * its own name with the ending .h5ad.
 * @throws ConfigError when two files would go to one place
 */
export function planOutputs(files: readonly string[], out: string): FileJob[] {
  const isFolder = files.length > 1 || /[/\\]$/.test(out) || (existsSync(out) && statSync(out).isDirectory());
  if (files.length > 1 && existsSync(out) && !statSync(out).isDirectory())
    throw new OutputError({ file: out, found: `is a file, but there are ${files.length} results`, hint: 'name a folder' });
  const jobs = files.map((input) => ({ input, output: isFolder ? join(out, `${sourceName(input)}.h5ad`) : out }));
  const twice = jobs.find(({ output }, i) => jobs.findIndex((other) => other.output === output) !== i);
  if (twice)
    throw new ConfigError({ key: 'FILE', found: `two files named ${basename(twice.input)}`, hint: 'run them one after the other, with another --out' });
  return jobs;
}

/** Told before hours of computing, not after them. */
export async function checkOutput({ input, output }: FileJob): Promise<void> {
  const real = (path: string) => realpath(path).catch(() => resolve(path));
  if ((await real(input)) === (await real(output)))
    throw new OutputError({ file: output, found: 'is the input, which is never changed', hint: 'name another --out' });
  // Tried out, not asked for: permissions alone say nothing of full disks, quotas and read-only mounts. Missing folders are made later.
  let folder = dirname(resolve(output));
  while (!existsSync(folder)) folder = dirname(folder);
  const probe = temporaryName(join(folder, 'probe'));
  try {
    await (await open(probe, 'wx')).close();
    await rm(probe);
  } catch (cause) {
    const known = asOutputError(output, cause);
    throw known instanceof OutputError
      ? known
      : new OutputError({ file: output, found: `cannot be written (${(cause as NodeJS.ErrnoException).code})`, hint: 'choose another --out', cause });
  }
}

export function reportOf(job: FileJob, { latent, emptyRows, source }: EncodedCells, notes: readonly string[]): FileReport {
  const { matrix, coverage } = source;
  return {
    ...job,
    numCells: latent.shape[0],
    numEmpty: emptyRows.length,
    matrix: matrix.key,
    valueKind: matrix.valueKind,
    numGenes: coverage.numGenes,
    numGenesMatched: coverage.numMatched,
    geneCoverage: coverage.shareOfGenes,
    expressionCoverage: source.shareOfExpression,
    notes: [...source.notes, ...notes],
  };
}
