import { defineGroup } from '../verb.js';
import { evaluateAnnotation } from './evaluate-annotation.js';
import { evaluatePerturbation } from './evaluate-perturbation.js';

/** One file a task: evaluate-<task>.ts. */
export const evaluate = defineGroup('evaluate', 'score a trained model on labelled files', [evaluateAnnotation, evaluatePerturbation]);
