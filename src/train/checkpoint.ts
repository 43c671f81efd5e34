import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, DataError } from '../errors.js';
import { readText, writeFolderAtomic } from '../files.js';
import { Vocabulary } from '../data/genes/vocabulary.js';
import { Preprocessing } from '../data/loader/config.js';
import type { ModelConfig } from '../model/config.js';
import { mergeAdapters } from '../model/lora/lora.js';
import { ModelWeights, WEIGHTS_FILE } from '../model/load-weights.js';
import { parameterSpecs } from '../model/parameters.js';
import { readReleaseConfig, toReleaseKeys } from '../model/release-config.js';
import { readSafetensors, writeSafetensors } from '../model/safetensors.js';
import type { HostTensor, HostTensors } from '../runtime/program/program.js';
import { ADAPTER_FILES, findBase, readAdapter, writeAdapter, type Adapter } from './adapter.js';
import { CheckpointState } from './checkpoint-state.js';
import { entropyToTsv, parseEntropyTsv } from './entropy-table.js';
import { releasedEntropy, releasedPreprocessing, releasedVocabulary, type ReleaseOptions } from './release-options.js';

/** What turns a cell into the model's input and the model's sizes: everything about a model but its weights. */
export interface ModelDescription {
  readonly modelConfig: ModelConfig;
  readonly vocabulary: Vocabulary;
  /** [V] by vocabulary id. */
  readonly entropy: Float32Array;
  readonly preprocessing: Preprocessing;
}

/** What a task adds to the model: head.json says what it is, plain JSON that the task reads back and checks. */
export interface HeadInfo {
  readonly task: string;
  readonly [key: string]: unknown;
}
export interface Head {
  readonly info: HeadInfo;
  /** By state-dict name. */
  readonly parameters: HostTensors;
}

/** A checkpoint folder without its weights. */
export interface CheckpointFacts extends ModelDescription {
  /** The folder that was read. */
  readonly folder: string;
  readonly head?: Head;
  /** Absent for weights that were not trained here. */
  readonly state?: CheckpointState;
}

/** A checkpoint folder whose weights are checked, and still on disk. */
export interface OpenCheckpoint extends CheckpointFacts {
  /** The file of the weights, or the index of several and these. */
  readonly weightsFiles: readonly string[];
  /** Types the weights are stored in. */
  readonly weightsDtypes: readonly string[];
  /**
   * The model's parameters, float32, one after another in state-dict order: no two need be in memory together.
   * @param isWanted default all
   */
  readParameters(isWanted?: (name: string) => boolean): AsyncGenerator<readonly [name: string, tensor: HostTensor]>;
}

/** A checkpoint folder in memory: enough to infer, to fine-tune, and to judge where it came from. */
export interface Checkpoint extends CheckpointFacts {
  /** The model's parameters by released state-dict name; the moving average where the run kept one. */
  readonly parameters: HostTensors;
}

export const CHECKPOINT_FILES = {
  weights: WEIGHTS_FILE,
  config: 'config.json',
  genes: 'genes.tsv',
  entropy: 'entropy.tsv',
  preprocessing: 'preprocessing.json',
  head: 'head.json',
  headWeights: 'head.safetensors',
  optimizer: 'optimizer.safetensors',
  adapter: ADAPTER_FILES.info,
  adapterWeights: ADAPTER_FILES.weights,
  state: 'state.json',
  card: 'README.md',
} as const;

export interface CheckpointContent extends ModelDescription {
  /** Parameters of model and head together, as they shall be used; those that are not the model's go to head.safetensors. */
  readonly parameters: HostTensors;
  readonly head?: HeadInfo | undefined;
  /** Adapters that are merged into `parameters`, for going on with the run and for keeping them alone. */
  readonly adapter?: Adapter | undefined;
  /** Everything else a resumed run needs, by variable name. */
  readonly optimizer: HostTensors;
  readonly state: CheckpointState;
  /** The model card, Markdown. */
  readonly card: string;
}

/**
 * Writes a checkpoint folder: all of it or nothing. The same run gives the same bytes.
 * @throws OutputError when it cannot be written; a checkpoint that stood there before stays
 */
export async function saveCheckpoint(folder: string, content: CheckpointContent): Promise<void> {
  const { modelConfig, vocabulary, entropy, preprocessing, head } = content;
  const ours = new Set(parameterSpecs(modelConfig, vocabulary.size).map(({ name }) => name));
  const headNames = Object.keys(content.parameters).filter((name) => !ours.has(name));
  if (headNames.length > 0 && !head) throw new Error(`parameters beside the model's but no head to explain them: ${headNames.join(', ')}`);
  await writeFolderAtomic(folder, async (temporary) => {
    const file = (name: string): string => join(temporary, name);
    const writeText = (name: string, text: string): Promise<void> => writeFile(file(name), text);
    const writeJson = (name: string, value: object): Promise<void> => writeText(name, `${JSON.stringify(value, null, 1)}\n`);
    await writeSafetensors(file(CHECKPOINT_FILES.weights), pick(content.parameters, [...ours]), { format: 'pt' });
    await writeJson(CHECKPOINT_FILES.config, { ...toReleaseKeys(modelConfig, vocabulary), vocabularyHash: vocabulary.hash });
    await writeText(CHECKPOINT_FILES.genes, vocabulary.toTsv());
    await writeText(CHECKPOINT_FILES.entropy, entropyToTsv(entropy, vocabulary));
    await writeJson(CHECKPOINT_FILES.preprocessing, preprocessing);
    if (head) {
      await writeJson(CHECKPOINT_FILES.head, head);
      await writeSafetensors(file(CHECKPOINT_FILES.headWeights), pick(content.parameters, headNames), { format: 'pt' });
    }
    if (content.adapter) await writeAdapter(temporary, content.adapter);
    await writeSafetensors(file(CHECKPOINT_FILES.optimizer), content.optimizer);
    await writeJson(CHECKPOINT_FILES.state, content.state);
    await writeText(CHECKPOINT_FILES.card, content.card);
  });
}

/**
 * Reads a checkpoint folder, the best checkpoint of a run folder, or an adapter's folder together with its base checkpoint, all weights included.
 * @throws CheckpointError, one line, naming the file or tensor that is missing, damaged or of another size
 */
export async function loadCheckpoint(path: string, release: ReleaseOptions = {}): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(path, release);
  const { folder, modelConfig, vocabulary, entropy, preprocessing, head, state } = checkpoint;
  return {
    folder,
    modelConfig,
    vocabulary,
    entropy,
    preprocessing,
    parameters: await allParameters(checkpoint),
    ...(head && { head }),
    ...(state && { state }),
  };
}

/** Every parameter of the model in memory. */
export async function allParameters({ readParameters }: Pick<OpenCheckpoint, 'readParameters'>): Promise<HostTensors> {
  const parameters: Record<string, HostTensor> = {};
  for await (const [name, tensor] of readParameters()) parameters[name] = tensor;
  return parameters;
}

/**
 * Checks what `loadCheckpoint` loads and reads what is small: names, types and shapes of the weights, not their values.
 * @param release for weights of others: what their folder does not tell
 * @throws CheckpointError as `loadCheckpoint`
 */
export async function openCheckpoint(path: string, release: ReleaseOptions = {}): Promise<OpenCheckpoint> {
  const folder = resolveCheckpoint(path);
  return existsSync(join(folder, CHECKPOINT_FILES.config)) ? openWhole(folder, release) : openOnBase(folder, release);
}

/** An adapter alone: merged, matrix by matrix, into the weights it belongs to. */
async function openOnBase(folder: string, release: ReleaseOptions): Promise<OpenCheckpoint> {
  const { info, parameters } = await readAdapter(folder);
  const base = await openCheckpoint(await findBase(folder, info), release);
  async function* readParameters(isWanted?: (name: string) => boolean): ReturnType<OpenCheckpoint['readParameters']> {
    for await (const [name, tensor] of base.readParameters(isWanted))
      yield [name, info.targets.includes(name) ? mergeAdapters({ ...info, targets: [name] }, { ...parameters, [name]: tensor })[name]! : tensor];
  }
  return { ...base, folder, weightsFiles: [join(folder, ADAPTER_FILES.weights)], readParameters, ...(await loadRest(folder)) };
}

async function loadRest(folder: string): Promise<Pick<CheckpointFacts, 'head' | 'state'>> {
  const head = existsSync(join(folder, CHECKPOINT_FILES.head)) ? await loadHead(folder) : undefined;
  const state = existsSync(join(folder, CHECKPOINT_FILES.state)) ? await readJson(join(folder, CHECKPOINT_FILES.state), CheckpointState) : undefined;
  return { ...(head && { head }), ...(state && { state }) };
}

async function openWhole(folder: string, release: ReleaseOptions): Promise<OpenCheckpoint> {
  const file = (name: string): string => join(folder, name);
  const has = (name: string): boolean => existsSync(file(name));
  const { config: modelConfig, ids } = await readReleaseConfig(file(CHECKPOINT_FILES.config));
  const vocabulary = has(CHECKPOINT_FILES.genes)
    ? await readTable(file(CHECKPOINT_FILES.genes), (text, name) => Vocabulary.parseTsv(text, name))
    : await releasedVocabulary(file(CHECKPOINT_FILES.genes), ids.size, release);
  if (vocabulary.size !== ids.size)
    throw new CheckpointError({
      file: file(CHECKPOINT_FILES.genes),
      found: `${vocabulary.genes.length} genes`,
      expected: `${ids.size - 5} by VOCAB_SIZE of config.json`,
    });
  for (const id of ['padId', 'maskId', 'padFillId', 'bosId', 'eosId'] as const)
    if (vocabulary[id] !== ids[id])
      throw new CheckpointError({ file: file(CHECKPOINT_FILES.config), key: id, found: String(ids[id]), expected: `${vocabulary[id]}, the released layout` });
  const { vocabularyHash } = await readJson(file(CHECKPOINT_FILES.config), z.looseObject({ vocabularyHash: z.string().optional() }));
  if (vocabularyHash !== undefined && vocabularyHash !== vocabulary.hash)
    throw new CheckpointError({
      file: file(CHECKPOINT_FILES.genes),
      found: 'other genes, or another order, than these weights were trained on',
      hint: 'restore the genes.tsv that was written with them',
    });
  const entropy = has(CHECKPOINT_FILES.entropy)
    ? await readTable(file(CHECKPOINT_FILES.entropy), (text, name) => parseEntropyTsv(text, vocabulary, name))
    : await releasedEntropy(file(CHECKPOINT_FILES.entropy), vocabulary, release);
  const preprocessing = has(CHECKPOINT_FILES.preprocessing)
    ? await readJson(file(CHECKPOINT_FILES.preprocessing), Preprocessing)
    : releasedPreprocessing(file(CHECKPOINT_FILES.preprocessing), modelConfig, release);
  if (preprocessing.maxGenes > modelConfig.maxGenes)
    throw new CheckpointError({
      file: file(CHECKPOINT_FILES.preprocessing),
      key: 'maxGenes',
      found: String(preprocessing.maxGenes),
      expected: `at most ${modelConfig.maxGenes}, MAX_GENE_LEN of config.json`,
    });
  const openParameters = (): Promise<ModelWeights> => ModelWeights.open(folder, modelConfig, vocabulary.size);
  const weights = await openParameters();
  await weights.close();
  async function* readParameters(isWanted?: (name: string) => boolean): ReturnType<OpenCheckpoint['readParameters']> {
    const weights = await openParameters();
    try {
      yield* weights.parameters(isWanted);
    } finally {
      await weights.close();
    }
  }
  return {
    folder,
    weightsFiles: weights.files,
    weightsDtypes: weights.dtypes,
    modelConfig,
    vocabulary,
    entropy,
    preprocessing,
    readParameters,
    ...(await loadRest(folder)),
  };
}

/** The optimiser state of a checkpoint, by variable name: only a resumed run reads it. */
export function loadOptimizer(folder: string): Promise<HostTensors> {
  return readSafetensors(join(folder, CHECKPOINT_FILES.optimizer));
}

/** A checkpoint folder as it is; of a run folder, its best checkpoint or, before a first validation, its latest. */
export function resolveCheckpoint(path: string): string {
  if (!existsSync(path)) throw new CheckpointError({ file: path, found: 'no such folder', hint: 'name a checkpoint folder or a run folder' });
  const candidates = ['', 'checkpoints/best', 'checkpoints/last', 'best', 'last'].map((part) => join(path, part));
  const found = candidates.find((folder) => existsSync(join(folder, CHECKPOINT_FILES.config)) || existsSync(join(folder, CHECKPOINT_FILES.adapter)));
  if (found === undefined)
    throw new CheckpointError({
      file: path,
      found: `no ${CHECKPOINT_FILES.config} in it and no checkpoints/ below it`,
      hint: 'name a checkpoint folder or a run folder that has saved one',
    });
  return found;
}

/** @throws CheckpointError when the data were built for another gene list than the checkpoint's */
export function requireVocabulary(
  { folder, vocabulary }: Pick<CheckpointFacts, 'folder' | 'vocabulary'>,
  data: { readonly path: string; readonly vocabulary: Vocabulary },
): void {
  if (vocabulary.hash === data.vocabulary.hash) return;
  throw new CheckpointError({
    file: folder,
    key: CHECKPOINT_FILES.genes,
    found: `${vocabulary.genes.length} genes in another order than the ${data.vocabulary.genes.length} of ${data.path}`,
    hint: `build the corpus with --genes ${join(folder, CHECKPOINT_FILES.genes)}`,
  });
}

async function loadHead(folder: string): Promise<Head> {
  const info = await readJson(join(folder, CHECKPOINT_FILES.head), z.looseObject({ task: z.string() }));
  return { info, parameters: await readSafetensors(join(folder, CHECKPOINT_FILES.headWeights)) };
}

async function readPart(file: string): Promise<string> {
  return readText(file).catch((cause: NodeJS.ErrnoException) => {
    throw new CheckpointError({ file, found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`, cause });
  });
}

/** A table's own error speaks of data; here the checkpoint is at fault. */
async function readTable<T>(file: string, parse: (text: string, file: string) => T): Promise<T> {
  const text = await readPart(file);
  try {
    return parse(text, file);
  } catch (error) {
    throw error instanceof DataError ? new CheckpointError({ ...error.facts, cause: error }) : error;
  }
}

async function readJson<S extends z.ZodType>(file: string, schema: S): Promise<z.output<S>> {
  const text = await readPart(file);
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ file, found: `not JSON: ${(cause as Error).message}`, hint: 'the file is damaged', cause });
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new CheckpointError({ file, key: issue.path.join('.') || undefined, found: issue.message, hint: 'the file is damaged or from another version' });
}

function pick(tensors: HostTensors, names: readonly string[]): HostTensors {
  return Object.fromEntries(names.map((name) => [name, tensors[name]!]));
}
