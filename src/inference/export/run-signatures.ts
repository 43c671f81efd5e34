import type { Executor, Program, Variables } from '../../runtime/program/program.js';
import { createExecutor } from '../../runtime/program/executor.js';
import type { OpenCheckpoint } from '../../train/checkpoint.js';
import { addParameters } from '../add-parameters.js';
import type { ExportedModel } from './format.js';
import { headParameters, type Signature } from './signatures.js';

/** A checkpoint's own results: what an exported model is compared with. */
export async function runSignatures(checkpoint: OpenCheckpoint): Promise<ExportedModel> {
  const executor: Executor = await createExecutor({ kind: 'auto' });
  const variables: Variables = await executor.createVariables(headParameters(checkpoint));
  await addParameters(variables, checkpoint.readParameters());
  const programs = new Map<Signature, Program>();
  return {
    async run(signature, inputs, outputs) {
      const program = programs.get(signature) ?? executor.compile(signature.fn, { variables, name: `export/${signature.name}` });
      programs.set(signature, program);
      const results = await program.run(inputs);
      return Object.fromEntries(outputs.map((name) => [name, results[name]!]));
    },
    dispose() {
      variables.dispose();
      executor.dispose();
    },
  };
}
