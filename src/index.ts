/** The library: what `import … from 'scdiva'` gives. */
export * from './errors.js';
export { Rng } from './rng.js';
export { openCellFile } from './data/readers/open.js';
export type * from './data/readers/reader.js';
