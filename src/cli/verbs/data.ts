import { defineGroup } from '../verb.js';
import { dataBuild } from './data-build.js';
import { dataGenes } from './data-genes.js';
import { dataInspect } from './data-inspect.js';
import { dataMerge } from './data-merge.js';
import { dataOverlap } from './data-overlap.js';
import { dataSimulate } from './data-simulate.js';
import { dataStats } from './data-stats.js';
import { dataVerify } from './data-verify.js';
import { dataVocabulary } from './data-vocabulary.js';

export const data = defineGroup('data', 'look into files, build and describe corpora', [
  dataInspect,
  dataBuild,
  dataMerge,
  dataStats,
  dataVerify,
  dataOverlap,
  dataGenes,
  dataVocabulary,
  dataSimulate,
]);
