import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError } from '../errors.js';
import { temporaryName, writeFileAtomic } from '../files.js';
import { silentProgress, type Progress } from '../progress.js';
import { download } from './download.js';
import type { HubModel } from './model-name.js';
import { asHubError, commitOf, filesOf, urlOf, type HubFile } from './repository.js';
import { hubSettings, type HubSettings } from './settings.js';

/** What a checkpoint folder is made of; other files of a repository are not fetched. */
const WANTED = new Set([
  'config.json',
  'genes.tsv',
  'entropy.tsv',
  'preprocessing.json',
  'head.json',
  'head.safetensors',
  'exemplars.safetensors',
  'posterior.safetensors',
  'state.json',
  'README.md',
]);

/** Weights, the first that is there counts; an index stands for the shards it names. */
const WEIGHTS = ['model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json', 'model.pt', 'model.pth'];

/** manifest.json beside a model's files: what came from where. Its being there says that all of them are. */
const Manifest = z.strictObject({
  repository: z.string(),
  revision: z.string(),
  commit: z.string(),
  folder: z.string(),
  files: z.array(z.strictObject({ name: z.string(), size: z.int().min(0), sha256: z.string() })),
});
export type Manifest = z.infer<typeof Manifest>;

/** A model in the cache. */
export interface CachedModel extends Manifest {
  /** Of the checkpoint's files. */
  readonly path: string;
  readonly sizeBytes: number;
}

export interface SnapshotOptions {
  readonly settings?: HubSettings;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A model's checkpoint folder on this machine: fetched, unless the cache has the very commit. Any number of processes may ask at once.
 * @returns the folder
 * @throws CheckpointError when it cannot be had: no such model, no token, no network, nothing cached while offline
 */
export async function snapshot(model: HubModel, { settings = hubSettings(), progress = silentProgress, signal }: SnapshotOptions = {}): Promise<string> {
  const known = await pinnedCommit(model, settings);
  const cached = known && (await readManifest(folderOf(model, known, settings)));
  if (known && cached && (settings.isOffline || model.revision === known)) return folderOf(model, known, settings);
  if (settings.isOffline)
    throw new CheckpointError({
      file: label(model),
      found: `revision ${model.revision} is not in the cache, and HF_HUB_OFFLINE is set`,
      hint: 'unset it to download; scdiva models lists what is there',
    });
  const commit = await commitOf(model, settings);
  const folder = folderOf(model, commit, settings);
  if (!(await readManifest(folder))) await fetchAll(model, commit, folder, { settings, progress, signal });
  await writeFileAtomic(refFile(model, settings), commit);
  return folder;
}

async function fetchAll(
  model: HubModel,
  commit: string,
  folder: string,
  { settings, progress, signal }: { settings: HubSettings; progress: Progress; signal?: AbortSignal | undefined },
): Promise<void> {
  const files = choose(await filesOf(model, commit, settings), model);
  const bar = progress.start(
    `Download ${label(model)}`,
    files.reduce((sum, { file }) => sum + file.size, 0),
    'bytes',
  );
  const done: Manifest['files'] = [];
  try {
    let numBytes = 0;
    for (const { name, file } of files) {
      const sha256 = await download({
        file,
        to: join(folder, name),
        partial: join(settings.cacheFolder, 'partial'),
        url: () => urlOf(model, commit, file.path, settings),
        token: settings.token,
        signal,
        onProgress: (here) => bar.update(numBytes + here, name),
      }).catch((error: unknown) => {
        throw asHubError(error, model, settings);
      });
      done.push({ name, size: file.size, sha256 });
      bar.update((numBytes += file.size), name);
    }
  } finally {
    bar.stop();
  }
  await writeFileAtomic(join(folder, 'manifest.json'), `${JSON.stringify({ ...model, commit, files: done } satisfies Manifest, null, 1)}\n`);
}

/** The files of a checkpoint among those of a folder. @throws CheckpointError where it is none, naming folders that are */
function choose(files: readonly HubFile[], model: HubModel): { name: string; file: HubFile }[] {
  const prefix = model.folder ? `${model.folder}/` : '';
  const here = files
    .filter(({ path }) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
    .map((file) => ({ name: file.path.slice(prefix.length), file }));
  const weights = WEIGHTS.find((name) => here.some((entry) => entry.name === name));
  if (!weights || !here.some(({ name }) => name === 'config.json')) {
    const others = files.filter(({ path }) => path.endsWith('/config.json')).map(({ path }) => `${model.repository}/${path.slice(0, -'/config.json'.length)}`);
    throw new CheckpointError({
      file: label(model),
      found: weights ? 'weights without config.json' : 'no weights',
      expected: `config.json and one of ${WEIGHTS.join(', ')}`,
      ...(others.length > 0 && { hint: `below it: ${others.slice(0, 12).join(', ')}` }),
    });
  }
  const isShard = weights.endsWith('.index.json')
    ? (name: string) => (weights.startsWith('model') ? /^model-.*\.safetensors$/ : /^pytorch_model-.*\.bin$/).test(name)
    : () => false;
  return here.filter(({ name }) => WANTED.has(name) || name === weights || isShard(name));
}

/** What is in the cache, by repository and folder. */
export async function cachedModels(settings: HubSettings = hubSettings()): Promise<CachedModel[]> {
  const found: CachedModel[] = [];
  for (const repository of await entriesOf(join(settings.cacheFolder, 'models')))
    for (const commit of await entriesOf(join(settings.cacheFolder, 'models', repository, 'snapshots')))
      for (const folder of await entriesOf(join(settings.cacheFolder, 'models', repository, 'snapshots', commit))) {
        const path = join(settings.cacheFolder, 'models', repository, 'snapshots', commit, folder);
        const manifest = await readManifest(path);
        if (manifest) found.push({ ...manifest, path, sizeBytes: manifest.files.reduce((sum, { size }) => sum + size, 0) });
      }
  return found;
}

/**
 * Removes a repository's cached models, whatever their revision and folder.
 * @returns bytes freed
 * @throws CheckpointError when there are none
 */
export async function removeCached(repository: string, settings: HubSettings = hubSettings()): Promise<number> {
  const models = (await cachedModels(settings)).filter((model) => model.repository === repository);
  const folder = repositoryFolder(repository, settings);
  if (!parseable(repository) || !existsSync(folder))
    throw new CheckpointError({ file: repository, found: 'not in the cache', hint: 'scdiva models lists what is' });
  // Out of sight at once: nobody starts to read what is about to go.
  const gone = temporaryName(folder);
  await rename(folder, gone);
  await rm(gone, { recursive: true });
  return models.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

const parseable = (repository: string): boolean => /^[\w.-]+\/[\w.-]+$/.test(repository);
const label = ({ repository, folder }: HubModel): string => (folder ? `${repository}/${folder}` : repository);

function repositoryFolder(repository: string, { cacheFolder }: HubSettings): string {
  return join(cacheFolder, 'models', repository.replace('/', '--'));
}

/** `root` holds a repository's own checkpoint; others are named by their folder inside it. */
function folderOf(model: HubModel, commit: string, settings: HubSettings): string {
  return join(repositoryFolder(model.repository, settings), 'snapshots', commit, model.folder ? encodeURIComponent(model.folder) : 'root');
}

function refFile(model: HubModel, settings: HubSettings): string {
  return join(repositoryFolder(model.repository, settings), 'refs', encodeURIComponent(model.revision));
}

/** The commit a revision is, or was when it was asked for last. */
async function pinnedCommit(model: HubModel, settings: HubSettings): Promise<string | undefined> {
  if (/^[0-9a-f]{40}$/.test(model.revision)) return model.revision;
  const text = await readFile(refFile(model, settings), 'utf8').catch(() => '');
  return /^[0-9a-f]{40}$/.test(text) ? text : undefined;
}

/** Undefined where the folder is not complete. */
async function readManifest(folder: string): Promise<Manifest | undefined> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const manifest = Manifest.parse(JSON.parse(text));
  for (const { name, size } of manifest.files) {
    const there = await stat(join(folder, name)).then(
      (file) => file.size,
      () => -1,
    );
    if (there !== size) return undefined; // somebody tidied up: it is fetched again
  }
  return manifest;
}

async function entriesOf(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => !name.includes('.tmp-')).sort();
}
