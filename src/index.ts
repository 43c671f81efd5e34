/** The library: what `import … from 'scdiva'` gives. */
export * from './errors.js';
export { Rng } from './rng.js';
export { openCellFile } from './data/readers/open.js';
export type * from './data/readers/reader.js';
export { inspectFile, type FileInspection } from './data/inspect/inspect.js';
export { chooseMatrix, type ChosenMatrix } from './data/inspect/choose-matrix.js';
