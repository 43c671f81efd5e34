import type { AnyVerb } from '../verb.js';
import { importWeights } from './import.js';
import { inspect } from './inspect.js';
import { models } from './models.js';

/** Verbs about checkpoints themselves: what they are, where they come from. */
export const checkpointVerbs: readonly AnyVerb[] = [inspect, importWeights, models];
