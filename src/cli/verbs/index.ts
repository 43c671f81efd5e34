import type { AnyVerb } from '../verb.js';

/** Every verb, in the order of a model's life; each is one file beside this one. */
export const verbs: readonly AnyVerb[] = [];
