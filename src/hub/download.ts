import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CheckpointError, InterruptedError } from '../errors.js';
import { asOutputError, makeFolder } from '../files.js';
import { persistentFetch, pause } from './persistent-fetch.js';
import type { HubFile } from './repository.js';

export interface Download {
  readonly file: HubFile;
  /** Where the whole, checked file appears. */
  readonly to: string;
  /** Folder of unfinished files. */
  readonly partial: string;
  /** @throws CheckpointError */
  readonly url: () => Promise<string>;
  readonly token: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes are there. */
  readonly onProgress?: (numBytes: number) => void;
}

/** How often a file's transfer is taken up again before it counts as failed, if nothing new came in between. */
const ATTEMPTS = 5;

/** Silence in the middle of a file for so long is a broken connection. */
const SILENCE_MS = 30_000;

/**
 * Fetches one file: continues what an earlier, stopped process left, goes on where a connection breaks, checks the whole by its hash and puts it
 * under its name only then. Processes that fetch the same file at once do not disturb each other: each has its own unfinished file.
 * @returns sha256 of the content
 * @throws CheckpointError when the content is not what the hub promised; InterruptedError after the signal; TypeError of fetch without network
 */
export async function download(job: Download): Promise<string> {
  try {
    await makeFolder(job.partial);
    const resumed = await adopt(job);
    const first = await fetchWhole(job, resumed);
    if (first.isRight) return await finish(job, first);
    await rm(first.path);
    // What an earlier process left may have been another file's beginning: from nothing, once more.
    const second = resumed && (await fetchWhole(job, undefined));
    if (second && second.isRight) return await finish(job, second);
    if (second) await rm(second.path);
    throw new CheckpointError({
      file: job.file.path,
      found: `${job.file.size} bytes that are not what the hub promised`,
      expected: `${job.file.hash.kind} ${job.file.hash.hex}`,
      hint: 'a proxy may change them; try it again',
    });
  } catch (error) {
    throw asOutputError(job.to, error);
  }
}

interface Fetched {
  readonly path: string;
  readonly isRight: boolean;
  readonly sha256: string;
}

async function finish({ to }: Download, { path, sha256 }: Fetched): Promise<string> {
  await makeFolder(dirname(to));
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
  await rename(path, to);
  return sha256;
}

/** @param resumed an unfinished file that is ours now */
async function fetchWhole(job: Download, resumed: string | undefined): Promise<Fetched> {
  const { file, signal, onProgress } = job;
  const path = resumed ?? partialName(job, process.pid);
  const handle = await open(path, 'a');
  try {
    let at = (await handle.stat()).size;
    for (let failures = 0; at < file.size;) {
      const before = at;
      try {
        const body = await request(job, at);
        if (body.from !== at) await handle.truncate((at = body.from));
        for await (const chunk of body.chunks) {
          if (at + chunk.length > file.size)
            throw new CheckpointError({
              file: file.path,
              found: `more than the ${file.size} bytes the hub promised`,
              hint: 'a proxy may change them; try it again',
            });
          await handle.appendFile(chunk);
          onProgress?.((at += chunk.length));
        }
        if (at < file.size) throw new TypeError('the connection ended early', { cause: { code: 'ECONNRESET' } });
      } catch (error) {
        if (signal?.aborted)
          throw new InterruptedError({
            file: file.path,
            found: `interrupted after ${at} of ${file.size} bytes`,
            hint: 'the same command continues from there',
            cause: error,
          });
        if (error instanceof CheckpointError || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error;
        failures = at > before ? 0 : failures + 1;
        if (failures === ATTEMPTS) throw error;
        await sleep(pause(failures));
      }
    }
  } catch (error) {
    await handle.close();
    // No process owns it any more: the next one continues it.
    await rename(path, partialName(job, 0)).catch(() => {});
    throw error;
  }
  await handle.close();
  const { sha256, git } = await hashesOf(path);
  return { path, sha256, isRight: (file.hash.kind === 'sha256' ? sha256 : git) === file.hash.hex };
}

/** The file's bytes from `at` on, or from 0 where the server knows no ranges. */
async function request({ file, url, token, signal }: Download, at: number): Promise<{ from: number; chunks: AsyncIterable<Uint8Array> }> {
  const response = await persistentFetch(await url(), {
    headers: { ...(at > 0 && { range: `bytes=${at}-` }), ...(token && { authorization: `Bearer ${token}` }), 'accept-encoding': 'identity' },
    ...(signal && { signal }),
  });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new CheckpointError({
      file: file.path,
      found: `the hub answered ${response.status}`,
      hint: response.status === 401 || response.status === 403 ? 'set HF_TOKEN to a token that may read it' : 'try it again later',
    });
  }
  const isRange = at > 0 && response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${at}-`);
  return { from: isRange ? at : 0, chunks: unbroken(response.body) };
}

/** The chunks of a body, with an error where they stop coming. */
async function* unbroken(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new TypeError('the connection went silent', { cause: { code: 'ETIMEDOUT' } })), SILENCE_MS);
      });
      const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function partialName({ partial, file }: Download, pid: number): string {
  return join(partial, `${file.hash.hex}.${pid}.${randomBytes(4).toString('hex')}`);
}

/** Takes over the longest unfinished file of these bytes whose process is gone: a rename, so that one taker wins. */
async function adopt(job: Download): Promise<string | undefined> {
  const { partial, file } = job;
  const left: { path: string; size: number }[] = [];
  for (const name of await readdir(partial)) {
    const [hex, pid] = name.split('.');
    if (hex !== file.hash.hex || isAlive(Number(pid))) continue;
    const path = join(partial, name);
    const size = await stat(path).then(
      ({ size }) => size,
      () => -1,
    );
    if (size >= 0 && size <= file.size) left.push({ path, size });
  }
  for (const { path } of left.sort((a, b) => b.size - a.size)) {
    const own = partialName(job, process.pid);
    if (
      await rename(path, own).then(
        () => true,
        () => false,
      )
    )
      return own;
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** sha256 of a file, and the id git gives its content. */
async function hashesOf(path: string): Promise<{ sha256: string; git: string }> {
  const { size } = await stat(path);
  const sha256 = createHash('sha256');
  const git = createHash('sha1').update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    sha256.update(chunk as Uint8Array);
    if (size < 64 * 2 ** 20) git.update(chunk as Uint8Array); // git itself keeps small files only
  }
  return { sha256: sha256.digest('hex'), git: git.digest('hex') };
}
