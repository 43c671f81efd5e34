import { defineGroup } from '../verb.js';
import { finetuneAnnotation } from './finetune-annotation.js';
import { finetuneFewShot } from './finetune-few-shot.js';
import { finetuneIntegration } from './finetune-integration.js';
import { finetuneMultimodal } from './finetune-multimodal.js';
import { finetuneMultitask } from './finetune-multitask.js';
import { finetunePerturbation } from './finetune-perturbation.js';
import { finetuneVariational } from './finetune-variational.js';

/** One file a task: finetune-<task>.ts. */
export const finetune = defineGroup('finetune', 'train a pretrained model for a task', [
  finetuneAnnotation,
  finetuneFewShot,
  finetuneIntegration,
  finetunePerturbation,
  finetuneMultitask,
  finetuneVariational,
  finetuneMultimodal,
]);
