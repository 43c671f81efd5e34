import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locateModel } from '../../src/hub/locate.js';
import { parseHubModel } from '../../src/hub/model-name.js';
import { hubSettings, type HubSettings } from '../../src/hub/settings.js';
import { cachedModels, removeCached, snapshot } from '../../src/hub/snapshot.js';
import { Rng } from '../../src/rng.js';
import { COMMIT, HubServer } from '../support/hub-server.js';

const weights = Buffer.from(
  Uint8Array.from(
    { length: 300_000 },
    (
      (rng) => () =>
        rng.int(256)
    )(Rng.fromSeed(1)),
  ),
);
const files = {
  'config.json': Buffer.from('{}'),
  'model.safetensors': weights,
  'optimizer.safetensors': Buffer.from('not wanted'),
  'README.md': Buffer.from('# card\n'),
  'downstream/Annotation_FT/hPancreas/config.json': Buffer.from('{"x":1}'),
  'downstream/Annotation_FT/hPancreas/model.pt': Buffer.from('weights'),
};
const model = { repository: 'lab/cells', revision: 'main', folder: '' };

let server: HubServer;
let settings: HubSettings;
let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'scdiva-hub-'));
  server = new HubServer('lab/cells', files);
  await server.start();
  settings = { endpoint: server.endpoint, token: undefined, cacheFolder: cache, isOffline: false };
});
afterEach(async () => {
  await server.stop();
  await rm(cache, { recursive: true });
});
/** Comparing arrays entry by entry takes seconds; their hashes say as much. */
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const content = async (folder: string): Promise<string> => sha256(await readFile(join(folder, 'model.safetensors')));
const partials = (): Promise<string[]> => readdir(join(cache, 'partial'));

describe('a model of the hub', () => {
  it('becomes a folder of the files a checkpoint has, and is not asked for twice where the commit is known', async () => {
    const folder = await snapshot(model, { settings });
    expect((await readdir(folder)).sort()).toEqual(['README.md', 'config.json', 'manifest.json', 'model.safetensors']);
    expect(await content(folder)).toBe(sha256(weights));
    expect(await partials()).toEqual([]);
    server.asked.length = 0;
    expect(await snapshot(model, { settings })).toBe(folder);
    expect(server.asked).toEqual(['/api/models/lab/cells/revision/main']);
    server.asked.length = 0;
    expect(await snapshot({ ...model, revision: COMMIT }, { settings })).toBe(folder);
    expect(server.asked).toEqual([]);
  });

  it('is found in a folder of its repository, and folders that hold one are named', async () => {
    const folder = await snapshot({ ...model, folder: 'downstream/Annotation_FT/hPancreas' }, { settings });
    expect(await readFile(join(folder, 'model.pt'), 'utf8')).toBe('weights');
    await expect(snapshot({ ...model, folder: 'downstream' }, { settings })).rejects.toThrow(
      /lab\/cells\/downstream: no weights \(expected config\.json and one of .*; below it: lab\/cells\/downstream\/Annotation_FT\/hPancreas\)/,
    );
  });

  it('goes on where a connection broke, again and again', async () => {
    server.trouble(/^\/cdn\/model/, { cutAfter: 70_000, times: 4 });
    expect(await content(await snapshot(model, { settings }))).toBe(sha256(weights));
    const ranges = server.ranges.filter((range) => /^bytes=\d+-$/.test(range));
    expect(ranges.length).toBeGreaterThan(1);
    expect(ranges.every((range) => Number(range.slice(6, -1)) > 0)).toBe(true);
  });

  it('starts over where the server knows no ranges', async () => {
    server.knowsRanges = false;
    server.trouble(/^\/cdn\/model/, { cutAfter: 70_000, times: 2 });
    expect(await content(await snapshot(model, { settings }))).toBe(sha256(weights));
  });

  it('waits for a server that stumbles', async () => {
    server.trouble(/revision/, { status: 503, times: 2 });
    server.trouble(/^\/cdn\/config/, { status: 500, times: 1 });
    server.trouble(/tree/, { status: 429, times: 1 });
    expect(await content(await snapshot(model, { settings }))).toBe(sha256(weights));
  });

  it('is refused when its bytes are not those that were promised, and nothing of them stays', async () => {
    server.trouble(/^\/cdn\/model/, { otherBytes: true, times: 99 });
    await expect(snapshot(model, { settings })).rejects.toThrow(
      /model\.safetensors: 300000 bytes that are not what the hub promised \(expected sha256 [0-9a-f]{64}; a proxy/,
    );
    expect(await partials()).toEqual([]);
    expect(await cachedModels(settings)).toEqual([]);
  });

  it('checks small files by what git calls them', async () => {
    server.trouble(/^\/cdn\/config/, { otherBytes: true, times: 99 });
    await expect(snapshot(model, { settings })).rejects.toThrow(/config\.json: 2 bytes that are not what the hub promised \(expected git [0-9a-f]{40}/);
  });

  it('does not trust what an earlier process left: wrong beginnings are thrown away', async () => {
    await snapshot(model, { settings });
    const entry = (await cachedModels(settings))[0]!.files.find(({ name }) => name === 'model.safetensors');
    await removeCached('lab/cells', settings);
    await mkdir(join(cache, 'partial'), { recursive: true });
    await writeFile(join(cache, 'partial', `${entry!.sha256}.0.abc`), Buffer.alloc(1000, 1));
    expect(await content(await snapshot(model, { settings }))).toBe(sha256(weights));
  });

  it('says what is missing: a token, a model, a revision, the network, an answer', async () => {
    server.token = 'secret';
    await expect(snapshot(model, { settings })).rejects.toThrow(/^lab\/cells: the hub refuses it \(401\) \(it may not exist, or needs HF_TOKEN\)$/);
    await expect(snapshot(model, { settings: { ...settings, token: 'wrong' } })).rejects.toThrow(/HF_TOKEN is given: it is not valid for this model/);
    const withToken = { ...settings, token: 'secret' };
    expect(await content(await snapshot(model, { settings: withToken }))).toBe(sha256(weights));
    await expect(snapshot({ ...model, repository: 'lab/none' }, { settings: withToken })).rejects.toThrow(
      /^lab\/none: no such model on the hub at revision main/,
    );
    await expect(snapshot({ ...model, revision: 'v9' }, { settings: withToken })).rejects.toThrow(/at revision v9/);
    server.trouble(/revision/, { status: 500, times: 99 });
    await expect(snapshot(model, { settings: withToken })).rejects.toThrow(/^lab\/cells: the hub answered 500, again and again \(try it later\)$/);
    await server.stop();
    await expect(snapshot(model, { settings })).rejects.toThrow(
      /the hub cannot be reached \(ECONNREFUSED\) \(HF_ENDPOINT is http:\/\/127\.0\.0\.1:\d+; HF_HUB_OFFLINE=1 uses what is cached\)/,
    );
  });

  it('is used from the cache while offline, and asked of nobody', async () => {
    const offline = { ...settings, isOffline: true };
    await expect(snapshot(model, { settings: offline })).rejects.toThrow(
      /^lab\/cells: revision main is not in the cache, and HF_HUB_OFFLINE is set \(unset it to download; scdiva models lists what is there\)$/,
    );
    const folder = await snapshot(model, { settings });
    server.asked.length = 0;
    expect(await snapshot(model, { settings: offline })).toBe(folder);
    expect(server.asked).toEqual([]);
  });

  it('is fetched again where somebody removed a file of it', async () => {
    const folder = await snapshot(model, { settings });
    await rm(join(folder, 'model.safetensors'));
    expect(await content(await snapshot(model, { settings }))).toBe(sha256(weights));
  });

  it('may be asked for by many at once', async () => {
    const folders = await Promise.all(Array.from({ length: 5 }, () => snapshot(model, { settings })));
    expect(new Set(folders).size).toBe(1);
    expect(await content(folders[0]!)).toBe(sha256(weights));
    expect(await partials()).toEqual([]);
  });

  it('is continued by the next process where one was killed in the middle of a file', async () => {
    server.trouble(/^\/cdn\/model/, { stallAfter: 120_000, times: 2 }); // the question for its size, and the file
    const code = `import { snapshot } from ${JSON.stringify(fileURLToPath(new URL('../../dist/hub/snapshot.js', import.meta.url)))}; await snapshot(${JSON.stringify(model)}, { settings: ${JSON.stringify(settings)} });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    await expect
      .poll(
        async () =>
          Math.max(0, ...(await Promise.all((await partials().catch(() => [])).map(async (name) => (await readFile(join(cache, 'partial', name))).length)))),
        { timeout: 15_000, interval: 20 },
      )
      .toBeGreaterThan(1000);
    child.kill('SIGKILL');
    await ended;
    server.ranges.length = 0;
    expect(await content(await snapshot(model, { settings }))).toBe(sha256(weights));
    expect(server.ranges.some((range) => /^bytes=[1-9]\d*-$/.test(range))).toBe(true);
  });

  it('is listed with its size, and removed whole', async () => {
    await snapshot(model, { settings });
    await snapshot({ ...model, folder: 'downstream/Annotation_FT/hPancreas', revision: 'v1' }, { settings });
    const listed = await cachedModels(settings);
    expect(listed.map(({ repository, folder, revision, sizeBytes }) => ({ repository, folder, revision, sizeBytes }))).toEqual([
      { repository: 'lab/cells', folder: 'downstream/Annotation_FT/hPancreas', revision: 'v1', sizeBytes: 14 },
      { repository: 'lab/cells', folder: '', revision: 'main', sizeBytes: 300_009 },
    ]);
    expect(await removeCached('lab/cells', settings)).toBe(300_023);
    expect(await cachedModels(settings)).toEqual([]);
    await expect(removeCached('lab/cells', settings)).rejects.toThrow(/lab\/cells: not in the cache/);
    await expect(removeCached('../..', settings)).rejects.toThrow(/not in the cache/);
  });
});

describe('the name of a model', () => {
  it('is told from a path', async () => {
    expect(parseHubModel('lab/cells')).toEqual(model);
    expect(parseHubModel('lab/cells/downstream/Annotation_FT@v1')).toEqual({ repository: 'lab/cells', folder: 'downstream/Annotation_FT', revision: 'v1' });
    for (const path of ['cells', '/lab/cells', './lab/cells', '../lab', 'lab/../cells', 'lab/', 'lab/cells@', 'lab cells/x'])
      expect(parseHubModel(path), path).toBeUndefined();
    expect(await locateModel('src/nowhere')).toBe('src/nowhere');
    expect(await locateModel('lab/cells', { settings })).toMatch(new RegExp(`${COMMIT}/root$`));
  });

  it('is looked for where the environment says', () => {
    expect(hubSettings({ HF_ENDPOINT: 'http://hub.local/', HF_TOKEN: 't', HF_HUB_OFFLINE: '1', SCDIVA_HUB_CACHE: '/c' })).toEqual({
      endpoint: 'http://hub.local',
      token: 't',
      isOffline: true,
      cacheFolder: '/c',
    });
    expect(hubSettings({ XDG_CACHE_HOME: '/x' })).toEqual({ endpoint: undefined, token: undefined, isOffline: false, cacheFolder: '/x/scdiva/hub' });
  });
});
