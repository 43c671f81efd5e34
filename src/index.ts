/** The library: what `import … from 'scdiva'` gives. */
export * from './errors.js';
export { Rng } from './rng.js';
export { openCellFile } from './data/readers/open.js';
export type * from './data/readers/reader.js';
export { inspectFile, type FileInspection } from './data/inspect/inspect.js';
export { chooseMatrix, type ChosenMatrix } from './data/inspect/choose-matrix.js';
export { buildCorpus, type BuildOptions } from './data/corpus/build.js';
export { openCorpus, type Corpus } from './data/corpus/corpus.js';
export type { CorpusManifest, Split } from './data/corpus/manifest.js';
export type { GeneStatistics } from './data/corpus/statistics.js';
export { createLoader, type LoaderOptions } from './data/loader/loader.js';
export type { CellBatch, CellBatches } from './data/batch.js';
export { writeAnnotatedH5ad, type Annotations, type NewColumn, type UnsValue } from './data/writers/h5ad.js';
