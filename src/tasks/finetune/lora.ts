import { ConfigError } from '../../errors.js';
import type { LoraConfig } from '../../model/lora/config.js';
import { adaptedNames, adapterNames, initialAdapters, joinAdapters, type LoraAdapters } from '../../model/lora/lora.js';
import type { ModelConfig } from '../../model/config.js';
import { parameterSpecs } from '../../model/parameters.js';
import type { Rng } from '../../rng.js';
import type { Task } from '../../train/task.js';

/**
 * The same task with low-rank adapters: of the model's own parameters none learns any more, adapters learn beside those of its matrices that the
 * config names and the task would have trained; what the task added to the model (its head) learns as before.
 * @throws ConfigError when the task would train none of the targets
 */
export function withLora(
  task: Task,
  config: LoraConfig,
  model: { readonly modelConfig: ModelConfig; readonly vocabulary: { readonly size: number } },
  rng: Rng,
): Task {
  const ofModel = new Set(parameterSpecs(model.modelConfig, model.vocabulary.size).map(({ name }) => name));
  const wouldLearn = task.trainable.filter((name) => ofModel.has(name));
  const adapter: LoraAdapters = { config, targets: adaptedNames(wouldLearn, config) };
  if (adapter.targets.length === 0)
    throw new ConfigError({
      key: 'lora.targets',
      found: `${config.targets.join(', ')}: ${wouldLearn.length === 0 ? 'no parameter of the model would learn' : 'none of them would learn'}`,
      hint: 'tune more of the model, or leave lora out',
    });
  return {
    ...task,
    adapter,
    parameters: { ...task.parameters, ...initialAdapters(adapter, task.parameters, rng) },
    trainable: [...task.trainable.filter((name) => !ofModel.has(name)), ...adapterNames(adapter)],
    loss: (state, inputs, mode) => task.loss(joinAdapters(adapter, state), inputs, mode),
    evaluate: (split, context) =>
      task.evaluate(split, { ...context, run: (name, fn, inputs) => context.run(name, (state, given) => fn(joinAdapters(adapter, state), given), inputs) }),
  };
}
