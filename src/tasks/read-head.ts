import type { z } from 'zod';
import { CheckpointError } from '../errors.js';
import type { HostTensor, HostTensors } from '../runtime/program/program.js';

/** What of a checkpoint its head is read from. */
export interface HeadSource {
  readonly folder: string;
  readonly modelConfig: { readonly hiddenDim: number };
  readonly head?: { readonly info: { readonly task: string }; readonly parameters: HostTensors };
}

/** A parameter of a head as its sizes demand it. */
export interface HeadSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What head.json says wrongly. */
export interface WrongInfo {
  readonly key: string;
  readonly found: string;
  readonly expected: string;
}

export interface HeadReader<I> {
  /** As `scdiva finetune` names it. */
  readonly task: string;
  /** Of head.json. */
  readonly schema: z.ZodType<I>;
  /** The first contradiction inside head.json, or with the model. */
  readonly wrong?: (info: I) => WrongInfo | undefined;
  readonly specs: (info: I) => readonly HeadSpec[];
}

/** The head of one task: what head.json says, and its parameters. @throws CheckpointError when the checkpoint has no such head, or one that is damaged or of other sizes */
export function readTaskHead<I>({ folder, head }: HeadSource, { task, schema, wrong, specs }: HeadReader<I>): { info: I; parameters: HostTensors } {
  if (head?.info.task !== task) {
    const found = head ? `its head is for ${head.info.task}` : `has no ${task} head`;
    throw new CheckpointError({ file: folder, found, hint: `make one with scdiva finetune ${task}, and name its --out folder` });
  }
  const damaged = (file: string, details: { key?: string | undefined; found: string; expected?: string }) =>
    new CheckpointError({ file: `${folder}/${file}`, ...details, hint: 'the file is damaged or belongs to another checkpoint' });
  const parsed = schema.safeParse(head.info);
  if (!parsed.success) throw damaged('head.json', { key: parsed.error.issues[0]!.path.join('.') || undefined, found: parsed.error.issues[0]!.message });
  const contradiction = wrong?.(parsed.data);
  if (contradiction) throw damaged('head.json', contradiction);
  const parameters = specs(parsed.data).map(({ name, shape }): [string, HostTensor] => {
    const tensor = head.parameters[name];
    if (String(tensor?.shape) !== String(shape))
      throw damaged('head.safetensors', {
        key: name,
        found: tensor ? `shape [${tensor.shape.join(', ')}]` : 'missing',
        expected: `shape [${shape.join(', ')}] by head.json`,
      });
    return [name, tensor!];
  });
  return { info: parsed.data, parameters: Object.fromEntries(parameters) };
}

/** A head that reads cells of another width than the model gives. */
export function wrongWidth({ embeddingDim }: { readonly embeddingDim: number }, { modelConfig }: Pick<HeadSource, 'modelConfig'>): WrongInfo | undefined {
  return embeddingDim === modelConfig.hiddenDim
    ? undefined
    : { key: 'embeddingDim', found: String(embeddingDim), expected: `${modelConfig.hiddenDim}, the model's hidden size` };
}
