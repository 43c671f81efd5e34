import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeGraphModel, type SignatureTensors } from '../../runtime/program/portable/graph-model.js';
import { openGraphModel } from '../../runtime/program/portable/open-graph-model.js';
import type { WeightPrecision } from '../../runtime/program/portable/stored-weight.js';
import type { HostTensors } from '../../runtime/program/program.js';
import { allParameters, CHECKPOINT_FILES } from '../../train/checkpoint.js';
import { writeInputFiles } from '../import-checkpoint.js';
import type { ExportedModel, ExportFormat, ExportSource } from './format.js';
import { graphOf } from './saved-model.js';
import { headParameters } from './signatures.js';

/** The signature that users mean when they name none. */
const MAIN = ['annotate', 'embed'];

/** A graph model as `tf.loadGraphModel` reads it: ops of TensorFlow.js' own, numbers of cells and genes left open, and beside it what turns a cell into its inputs. */
export async function writeTfjsModel({ checkpoint, signatures }: ExportSource, folder: string, precision: WeightPrecision): Promise<void> {
  const graphs = Object.fromEntries(signatures.map((signature) => [signature.name, graphOf(signature, { checkpoint, signatures })]));
  const isUsed = new Set(Object.values(graphs).flatMap(({ parameters }) => parameters));
  const parameters: HostTensors = { ...(await allParameters(checkpoint)), ...headParameters(checkpoint) };
  await writeGraphModel(folder, {
    signatures: graphs,
    main: MAIN.find((name) => graphs[name]) ?? signatures[0]!.name,
    parameters: Object.fromEntries(Object.entries(parameters).filter(([name]) => isUsed.has(name))),
    precision,
    generatedBy: 'scdiva',
  });
  await writeInputFiles(folder, checkpoint);
  if (checkpoint.head) await writeFile(join(folder, CHECKPOINT_FILES.head), `${JSON.stringify(checkpoint.head.info, null, 1)}\n`);
}

async function open(folder: string): Promise<ExportedModel> {
  const { userDefinedMetadata } = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as { userDefinedMetadata: { signatures: SignatureTensors } };
  const model = await openGraphModel(folder);
  return {
    async run({ name }, inputs, outputs) {
      const tensors = userDefinedMetadata.signatures[name]!;
      const fed = Object.fromEntries(Object.entries(inputs).map(([key, tensor]) => [tensors.inputs[key]!, tensor]));
      const results = model.run(
        fed,
        outputs.map((key) => tensors.outputs[key]!),
      );
      return Object.fromEntries(outputs.map((key) => [key, results[tensors.outputs[key]!]!]));
    },
    dispose: () => model.dispose(),
  };
}

const format = (name: string, describe: string, precision: WeightPrecision, tolerance: number | null): ExportFormat => ({
  name,
  describe,
  tolerance,
  write: (source, folder) => writeTfjsModel(source, folder, precision),
  open,
});

export const tfjsFormats: readonly ExportFormat[] = [
  format('tfjs', 'TensorFlow.js graph model, in browsers and Node', 'f32', 1e-4),
  format('tfjs-f16', 'the same, 16-bit weights', 'f16', null),
  format('tfjs-u8', 'the same, 8-bit weights', 'u8', null),
];
