import { join } from 'node:path';
import { Rng } from '../../src/rng.js';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import { Preprocessing } from '../../src/data/loader/config.js';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { initialHead } from '../../src/tasks/annotation/head.js';
import { saveCheckpoint } from '../../src/train/checkpoint.js';

/** An untrained model of the genes GENE0 … GENE39 with an untrained annotation head of three classes, as a checkpoint folder. */
export async function headedCheckpoint(folder: string, { hasHead = true } = {}): Promise<string> {
  const modelConfig = ModelConfig.parse({ hiddenDim: 12, numLayers: 2, numHeads: 3, ffnDim: 10, maxGenes: 24, dropout: 0.1 });
  const vocabulary = new Vocabulary(Array.from({ length: 40 }, (_, i) => ({ symbol: `GENE${i}`, ensemblId: '' })));
  const rng = Rng.fromSeed(7);
  const classes = ['B', 'NK', 'T'];
  const head = {
    task: 'annotation',
    labelKey: 'cell_type',
    classes,
    classSizes: [9, 9, 9],
    embeddingDim: 12,
    hiddenDim: 8,
    temperature: 1.3,
    unknownThreshold: 0.4,
    calibration: null,
  };
  const path = join(folder, 'checkpoint');
  await saveCheckpoint(path, {
    modelConfig,
    vocabulary,
    entropy: Float32Array.from({ length: vocabulary.size }, (_, id) => 0.3 + (id % 7) / 10),
    preprocessing: Preprocessing.parse({ maxGenes: 24, lengthMultiple: 8 }),
    parameters: {
      ...initialParameters(modelConfig, vocabulary.size, rng),
      ...(hasHead &&
        initialHead(
          { embeddingDim: 12, hiddenDim: 8, numClasses: classes.length },
          Float32Array.from({ length: 60 }, () => rng.normal()),
          rng,
        )),
    },
    ...(hasHead && { head }),
    optimizer: {},
    state: {
      task: 'annotation',
      step: 0,
      cursor: { epoch: 0, batchIndex: 0 },
      validation: null,
      best: null,
      evaluationsWithoutImprovement: 0,
      seed: 5,
      dataFingerprint: 'none',
      config: {},
      versions: {},
    },
    card: '# untrained\n',
  });
  return path;
}
