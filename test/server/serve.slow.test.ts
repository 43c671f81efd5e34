import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { separableCells, untrainedAnnotator } from '../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';

const folderOf = temporaryFolder('serve');
const bin = fileURLToPath(new URL('../../bin/scdiva.js', import.meta.url));
const fresh = separableCells(9, 24);
const body = (i: number): string => {
  const row = fresh.x!.rows[i % 24]!;
  return JSON.stringify({ genes: fresh.geneNames, cells: [{ indices: row.flatMap((v, g) => (v ? [g] : [])), values: row.filter((v) => v) }] });
};
let checkpoint: string;
/** Where the servers of this test keep what they do not keep long. */
let temporary: string;

beforeAll(async () => {
  const folder = await folderOf();
  temporary = join(folder, 'temporary');
  await mkdir(temporary);
  checkpoint = await untrainedAnnotator(folder, await smallCorpus(folder, separableCells(1, 60), { label: 'cell_type' }));
});

interface Process {
  readonly child: ChildProcess;
  readonly url: string;
  readonly exit: Promise<number | null>;
  readonly stderr: () => string;
}

/** A server in a process of its own, once it says where it listens. */
async function start(...flags: string[]): Promise<Process> {
  const child = spawn(process.execPath, [bin, 'serve', '--checkpoint', checkpoint, '--port', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  });
  let [stdout, stderr] = ['', ''];
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (piece: Buffer) => {
      stdout += piece.toString();
      const found = /listening on (http:\S+):/.exec(stdout);
      if (found) resolve(found[1]!);
    });
    void exit.then((code) => reject(new Error(`exit ${code}: ${stderr}`)));
  });
  return { child, url, exit, stderr: () => stderr };
}

const annotate = (url: string, i: number): Promise<Response> =>
  fetch(`${url}/v1/annotate`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: body(i) });

describe('a server in a process of its own', () => {
  it('answers eight clients at once, loses nothing, and on SIGTERM finishes what it took on: exit 0', async () => {
    const server = await start();
    const statuses: number[] = [];
    let isStopping = false;
    let numRefused = 0;
    const client = async (): Promise<void> => {
      for (let i = 0; i < 400; i++) {
        try {
          const response = await annotate(server.url, i);
          const answer = (await response.json()) as { labels?: string[] };
          statuses.push(response.status);
          if (response.status === 200) expect(answer.labels).toHaveLength(1);
        } catch (error) {
          // Refused connections are for those who come after the signal alone.
          if (!isStopping || !['ECONNREFUSED', 'UND_ERR_SOCKET', 'ECONNRESET'].includes((error as { cause?: { code?: string } }).cause?.code ?? ''))
            throw error;
          numRefused++;
          return;
        }
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    await expect.poll(() => statuses.length, { timeout: 30_000 }).toBeGreaterThan(200);
    expect(statuses.every((status) => status === 200)).toBe(true);
    const numBefore = statuses.length;
    isStopping = true;
    server.child.kill('SIGTERM');
    await clients;
    expect(await server.exit).toBe(0);
    expect(numRefused).toBe(8);
    // What was under way at the signal was answered; nobody got half an answer.
    expect(statuses.length).toBeGreaterThanOrEqual(numBefore);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('refuses what it cannot begin with in one line, exit 2', async () => {
    for (const [flags, message] of [
      [['--checkpoint', '/nowhere'], /no such folder/],
      [['--batch-size', '0'], /batchSize: found 0/],
      [['--port', '99999'], /port: found 99999/],
      [['--reference', checkpoint], /reference\.json: no such file/],
    ] as const) {
      const child = spawn(process.execPath, [bin, 'serve', ...(flags[0] === '--checkpoint' ? [] : ['--checkpoint', checkpoint]), ...flags], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
      expect(await new Promise((resolve) => child.once('exit', resolve)), flags.join(' ')).toBe(2);
      expect(stderr.trim()).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});
