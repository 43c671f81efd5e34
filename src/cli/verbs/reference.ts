import { defineGroup } from '../verb.js';
import { referenceBuild } from './reference-build.js';
import { referenceMap } from './reference-map.js';

export const reference = defineGroup('reference', 'carry labels over from an atlas: embed it once, map cells to it', [referenceBuild, referenceMap]);
