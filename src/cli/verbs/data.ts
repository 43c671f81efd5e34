import { defineGroup } from '../verb.js';
import { dataInspect } from './data-inspect.js';

export const data = defineGroup('data', 'look into files, build and describe corpora', [dataInspect]);
