/** The library: what `import … from 'scdiva'` gives. */
export * from './errors.js';
export { Rng } from './rng.js';
