import { defineGroup } from '../verb.js';
import { evaluateAnnotation } from './evaluate-annotation.js';
import { evaluateIntegration } from './evaluate-integration.js';
import { evaluateGeneCorrelation } from './evaluate-gene-correlation.js';
import { evaluateMultimodal } from './evaluate-multimodal.js';
import { evaluatePerturbation } from './evaluate-perturbation.js';
import { evaluateReconstruction } from './evaluate-reconstruction.js';
import { evaluateVariational } from './evaluate-variational.js';

/** One file a task: evaluate-<task>.ts. */
export const evaluate = defineGroup('evaluate', 'score a trained model on files of cells', [
  evaluateAnnotation,
  evaluateIntegration,
  evaluatePerturbation,
  evaluateReconstruction,
  evaluateGeneCorrelation,
  evaluateVariational,
  evaluateMultimodal,
]);
