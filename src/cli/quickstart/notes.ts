import type { FileInspection } from '../../data/inspect/inspect.js';
import type { AnnotationJson } from '../../report/annotation-results.js';
import { formatCount } from '../../report/numbers.js';
import type { LoadedBackend } from '../../runtime/native/load.js';
import type { TrainConfig } from '../../train/config.js';
import type { Plan } from './plan.js';

/** What a reader of the report must bear in mind, one sentence each. */
export function notesOf(
  { pretraining, annotation }: Pick<Plan, 'pretraining' | 'annotation'>,
  { numCells }: AnnotationJson,
  { notes }: FileInspection,
  backend: LoadedBackend,
): string[] {
  return [
    'The test cells took part in nothing before they were scored: not in pretraining, not in fine-tuning, not in choosing when to stop or how sure is sure.',
    `Training is bounded so that it ends in minutes, however large the file: pretraining ${describeSteps(pretraining.train, numCells.train)}, fine-tuning at most ${describeSteps(annotation.train, numCells.train)}. A larger model, trained for longer on more cells, is what the method is made for.`,
    ...(backend.kind === 'wasm' ? ['Computed with WebAssembly, for want of native TensorFlow: the same mathematics, several times slower.'] : []),
    ...notes,
  ];
}

function describeSteps({ steps, epochs, batchSize }: TrainConfig, numCells: number): string {
  if (steps == null) return `${epochs} passes over the train split`;
  const passes = (steps * batchSize) / numCells;
  return `${formatCount(steps)} steps of ${batchSize} cells (${passes < 1 ? `${formatCount(steps * batchSize)} of the ${formatCount(numCells)} train cells` : `${formatCount(passes)} passes over the train split`})`;
}
