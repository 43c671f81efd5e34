import { HubApiError, fileDownloadInfo, listFiles, modelInfo } from '@huggingface/hub';
import { CheckpointError } from '../errors.js';
import type { HubModel } from './model-name.js';
import { persistentFetch } from './persistent-fetch.js';
import type { HubSettings } from './settings.js';

/** A file as the hub lists it. */
export interface HubFile {
  /** Inside the repository. */
  readonly path: string;
  readonly size: number;
  /** Of the content; for small files the hub knows git's object id alone. */
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly hex: string };
}

/** The commit a revision is at. @throws CheckpointError */
export async function commitOf(model: HubModel, settings: HubSettings): Promise<string> {
  const { sha } = await asking(model, settings, () =>
    modelInfo({ name: model.repository, revision: model.revision, additionalFields: ['sha'], ...access(settings) }),
  );
  if (!/^[0-9a-f]{40}$/.test(sha))
    throw new CheckpointError({
      file: model.repository,
      key: 'sha',
      found: JSON.stringify(sha ?? null),
      expected: 'a commit',
      hint: 'is HF_ENDPOINT a model hub?',
    });
  return sha;
}

/** Every file of the model's folder, subfolders included. @throws CheckpointError */
export async function filesOf(model: HubModel, commit: string, settings: HubSettings): Promise<HubFile[]> {
  return asking(model, settings, async () => {
    const files: HubFile[] = [];
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo: model.repository,
      revision: commit,
      recursive: true,
      ...(model.folder && { path: model.folder }),
      ...access(settings),
    }))
      if (type === 'file' && (lfs || oid)) files.push({ path, size, hash: lfs ? { kind: 'sha256', hex: lfs.oid } : { kind: 'git', hex: oid! } });
    return files;
  });
}

/** Where a file's bytes are. @throws CheckpointError */
export async function urlOf(model: HubModel, commit: string, path: string, settings: HubSettings): Promise<string> {
  const info = await asking(model, settings, () => fileDownloadInfo({ repo: model.repository, revision: commit, path, ...access(settings) }));
  if (!info) throw new CheckpointError({ file: `${model.repository}/${path}`, found: 'no such file on the hub' });
  return info.url;
}

/** The token goes along here, not through the library: that takes tokens of one hub alone. */
function access({ endpoint, token }: HubSettings): { hubUrl?: string; fetch: typeof fetch } {
  const ask: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    if (token) headers.set('authorization', `Bearer ${token}`);
    const response = await persistentFetch(input, { ...init, headers });
    // Bodies are read here: an unread one would hold its connection. That of a server which knows no ranges may be a whole file.
    const isWhole = headers.has('range') && response.status === 200;
    if (isWhole) await response.body?.cancel();
    const body = isWhole || response.status === 204 ? null : await response.arrayBuffer();
    return new Response(body, { status: response.status, headers: response.headers });
  };
  return { ...(endpoint && { hubUrl: endpoint }), fetch: ask };
}

async function asking<T>(model: HubModel, settings: HubSettings, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw asHubError(error, model, settings);
  }
}

/** What went wrong between this machine and the hub, in one line. */
export function asHubError(error: unknown, { repository, revision, folder }: HubModel, { endpoint, token }: HubSettings): unknown {
  if (error instanceof CheckpointError) return error;
  const name = folder ? `${repository}/${folder}` : repository;
  const refused = (found: string, hint: string): CheckpointError => new CheckpointError({ file: name, found, hint, cause: error });
  if (error instanceof HubApiError) {
    if (error.statusCode === 401 || error.statusCode === 403)
      return refused(
        `the hub refuses it (${error.statusCode})`,
        token ? 'HF_TOKEN is given: it is not valid for this model' : 'it may not exist, or needs HF_TOKEN',
      );
    if (error.statusCode === 404)
      return refused(
        `no such model on the hub at revision ${revision}${token ? '' : ', or it needs HF_TOKEN'}`,
        'name a folder that exists, or owner/name of a model',
      );
    return refused(`the hub answered ${error.statusCode}, again and again`, 'try it later');
  }
  if (error instanceof TypeError || error instanceof SyntaxError || (error as Error | null)?.name === 'InvalidApiResponseFormatError') {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (error instanceof TypeError && cause)
      return refused(
        `no such folder here, and the hub cannot be reached (${cause.code ?? cause.message})`,
        `${endpoint ? `HF_ENDPOINT is ${endpoint}` : 'HF_ENDPOINT names another hub'}; HF_HUB_OFFLINE=1 uses what is cached`,
      );
    return refused(`the hub gave no answer that makes sense: ${(error as Error).message}`, endpoint ? 'is HF_ENDPOINT a model hub?' : 'try it later');
  }
  return error;
}
