import { defineGroup } from '../verb.js';
import { metricsAnnotation } from './metrics-annotation.js';
import { metricsGrn } from './metrics-grn.js';
import { metricsIntegration } from './metrics-integration.js';
import { metricsPerturbation } from './metrics-perturbation.js';
import { metricsReconstruction } from './metrics-reconstruction.js';

export const metrics = defineGroup('metrics', 'score anyone’s results from their files, without a model', [
  metricsAnnotation,
  metricsIntegration,
  metricsPerturbation,
  metricsReconstruction,
  metricsGrn,
]);
