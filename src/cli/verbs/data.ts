import { defineGroup } from '../verb.js';
import { dataBuild } from './data-build.js';
import { dataInspect } from './data-inspect.js';
import { dataStats } from './data-stats.js';

export const data = defineGroup('data', 'look into files, build and describe corpora', [dataInspect, dataBuild, dataStats]);
