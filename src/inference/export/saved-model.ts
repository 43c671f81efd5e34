import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parameterSpecs } from '../../model/parameters.js';
import { openSavedModel } from '../../runtime/program/portable/graph-session.js';
import { portableGraph } from '../../runtime/program/portable/portable-graph.js';
import { writeSavedModel } from '../../runtime/program/portable/saved-model.js';
import type { HostTensor } from '../../runtime/program/program.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';
import { writeInputFiles } from '../import-checkpoint.js';
import type { ExportFormat, ExportSource } from './format.js';
import { headParameters, type Signature } from './signatures.js';

/** Files that TensorFlow carries along with a SavedModel and does not look into. */
const EXTRA_FILES = 'assets.extra';

/** A SavedModel with one signature for each thing the checkpoint can do; TensorFlow's own ops alone, numbers of cells and genes left open. */
export const savedModelFormat: ExportFormat = {
  name: 'saved-model',
  describe: 'TensorFlow, TensorFlow Serving: signatures embed, annotate, reconstruct',
  tolerance: 1e-5,
  async write(source, folder) {
    const parameters = parameterShapes(source.checkpoint);
    const graphs = source.signatures.map((signature) => [signature, graphOf(signature, source)] as const);
    await writeSavedModel(folder, {
      signatures: Object.fromEntries(graphs.map(([{ name, names }, graph]) => [name, { graph, ...(names && { names }) }])),
      parameters,
      values: (isWanted) => values(source.checkpoint, isWanted),
    });
    const extra = join(folder, EXTRA_FILES);
    await mkdir(extra);
    await writeInputFiles(extra, source.checkpoint);
  },
  async open(folder) {
    const model = openSavedModel(folder);
    return {
      async run({ name }, inputs, outputs) {
        const signature = model.signatures[name]!;
        const fed = Object.fromEntries(Object.entries(inputs).map(([key, tensor]) => [signature.inputs[key]!, tensor]));
        const results = await model.run(
          fed,
          outputs.map((key) => signature.outputs[key]!),
        );
        return Object.fromEntries(outputs.map((key) => [key, results[signature.outputs[key]!]!]));
      },
      dispose: () => model.dispose(),
    };
  },
};

/** The graph of a signature, for any number of cells and genes. */
export function graphOf({ name, fn, inputs }: Signature, { checkpoint }: ExportSource): ReturnType<typeof portableGraph> {
  return portableGraph(fn, { name, inputs, parameters: parameterShapes(checkpoint) });
}

/** Shapes of the parameters of model and head. */
export function parameterShapes(checkpoint: OpenCheckpoint): Record<string, Pick<HostTensor, 'dtype' | 'shape'>> {
  const { modelConfig, vocabulary } = checkpoint;
  const ofModel = parameterSpecs(modelConfig, vocabulary.size).map(({ name, shape }) => [name, { dtype: 'float32', shape }] as const);
  return { ...Object.fromEntries(ofModel), ...headParameters(checkpoint) };
}

async function* values(checkpoint: OpenCheckpoint, isWanted: (name: string) => boolean): AsyncGenerator<readonly [string, HostTensor]> {
  yield* checkpoint.readParameters(isWanted);
  yield* Object.entries(headParameters(checkpoint)).filter(([name]) => isWanted(name));
}
