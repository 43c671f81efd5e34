import { ConfigError } from '../../errors.js';
import type { ModelConfig } from '../../model/config.js';
import { isOfEmbedding } from '../cell-encoder.js';
import type { TuneConfig } from './config.js';
import { HEAD_PREFIX, isLearnedByHead } from './head.js';

/**
 * Names of the parameters that learn.
 * @param names every parameter, head included
 * @throws ConfigError when more last layers are asked for than the model has
 */
export function trainableNames(names: readonly string[], tune: TuneConfig, config: ModelConfig): string[] {
  return names.filter((name) => isLearnedByHead(name) || (!name.startsWith(HEAD_PREFIX) && isTuned(tune, config)(name)));
}

/** Which of the model's own parameters learn. @throws ConfigError when more last layers are asked for than the model has */
export function isTuned(tune: TuneConfig, config: ModelConfig): (name: string) => boolean {
  switch (tune.kind) {
    case 'head':
      return () => false;
    case 'whole':
      return (name) => isOfEmbedding(name, config);
    case 'lastLayers': {
      const { numLayers, cellState } = config;
      if (cellState === 'genes')
        throw new ConfigError({ key: 'tune.kind', found: 'lastLayers, but with cellState: genes no layer has a say', hint: 'set it to head or whole' });
      if (tune.numLayers > numLayers)
        throw new ConfigError({
          key: 'tune.numLayers',
          found: `${tune.numLayers}, but the checkpoint has ${numLayers} layers`,
          hint: `set at most ${numLayers}, or tune.kind: whole`,
        });
      const first = numLayers - tune.numLayers;
      return (name) => name.startsWith('final_norm.') || Number(/^layers\.(\d+)\./.exec(name)?.[1] ?? -1) >= first;
    }
  }
}
