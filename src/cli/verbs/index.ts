import type { AnyVerb } from '../verb.js';
import { ablate } from './ablate.js';
import { adapter } from './adapter.js';
import { annotate } from './annotate.js';
import { data } from './data.js';
import { doctor } from './doctor.js';
import { embed } from './embed.js';
import { evaluate } from './evaluate.js';
import { exportModel } from './export.js';
import { finetune } from './finetune.js';
import { generate } from './generate.js';
import { grn } from './grn.js';
import { importWeights } from './import.js';
import { inspect } from './inspect.js';
import { integrate } from './integrate.js';
import { launch } from './launch.js';
import { metrics } from './metrics.js';
import { models } from './models.js';
import { perturb } from './perturb.js';
import { plan } from './plan.js';
import { pretrain } from './pretrain.js';
import { proteins } from './proteins.js';
import { quickstart } from './quickstart.js';
import { reference } from './reference.js';
import { report } from './report.js';
import { serve } from './serve.js';
import { setup } from './setup.js';
import { trajectory } from './trajectory.js';
import { verify } from './verify.js';
import { web } from './web.js';

/** Every verb, in the order of a model's life; each is one file beside this one. */
export const verbs: readonly AnyVerb[] = [
  setup,
  doctor,
  quickstart,
  data,
  models,
  inspect,
  importWeights,
  plan,
  pretrain,
  finetune,
  launch,
  adapter,
  evaluate,
  ablate,
  embed,
  annotate,
  reference,
  integrate,
  perturb,
  proteins,
  grn,
  generate,
  serve,
  trajectory,
  exportModel,
  web,
  verify,
  metrics,
  report,
];
