import { createServer, request as httpRequest } from 'node:http';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openCellFile } from '../../src/data/readers/open.js';
import { ServerConfig } from '../../src/server/config.js';
import { serve, type RunningServer } from '../../src/server/serve.js';
import { ScDiVaInference } from '../../src/inference/engine.js';
import { buildReference } from '../../src/inference/reference/build.js';
import { ScDiVa } from '../../src/inference/scdiva.js';
import { exemplarsOf, typicalities, writeExemplars } from '../../src/tasks/annotation/exemplars.js';
import { maxDifference } from '../metrics/golden.js';
import { separableCells, untrainedAnnotator } from '../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';

const folderOf = temporaryFolder('server');
let folder: string;
let checkpoint: string;
let server: RunningServer;
let document: OpenApi;

const fresh = separableCells(9, 12);
const genes = fresh.geneNames;
const rows = fresh.x!.rows;
const sparse = (row: readonly number[], id?: string) => ({ ...(id && { id }), indices: row.flatMap((v, g) => (v ? [g] : [])), values: row.filter((v) => v) });

interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>>;
  readonly components: { readonly schemas: Record<string, object> };
}

const start = (config: Partial<ServerConfig> = {}, reference?: string): Promise<RunningServer> =>
  serve({ checkpoint, reference, config: ServerConfig.parse({ port: 0, ...config }), version: '1.2.3' });

beforeAll(async () => {
  folder = await folderOf();
  await mkdir(join(folder, 'temporary'));
  vi.stubEnv('TMPDIR', join(folder, 'temporary'));
  checkpoint = await untrainedAnnotator(folder, await smallCorpus(folder, separableCells(1, 60), { label: 'cell_type' }));
  const model = await ScDiVa.fromPretrained(checkpoint);
  await writeSmallH5ad(join(folder, 'atlas.h5ad'), separableCells(1, 60));
  await buildReference(model, { input: join(folder, 'atlas.h5ad'), labelKey: 'cell_type', out: join(folder, 'reference'), version: '1' });
  model.dispose();
  server = await start({}, join(folder, 'reference'));
  document = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApi;
});
afterAll(async () => {
  await server.stop();
  expect(await readdir(join(folder, 'temporary'))).toEqual([]);
  vi.unstubAllEnvs();
});

/** The answer, held against what the description says of it. */
async function post(
  path: string,
  body: unknown,
  { at = server, type = 'application/json' } = {},
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> & { detail?: string } }> {
  const response = await fetch(at.url + path, {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  expectDescribed(path.split('?')[0]!, 'post', response, answer);
  return { status: response.status, headers: response.headers, body: answer };
}

function expectDescribed(path: string, method: string, response: Response, answer: unknown): void {
  const content = document.paths[path]?.[method]?.responses[response.status]?.content;
  expect(content, `${method} ${path} ${response.status}`).toBeDefined();
  const type = response.headers.get('content-type')!.split(';')[0]!;
  expect(Object.keys(content!)).toContain(type);
  const schema = content![type]!.schema;
  let validate = validators.get(schema);
  if (!validate)
    validators.set(
      schema,
      (validate = new Ajv2020({ strict: false, validateFormats: false }).compile({ $ref: '#/answer', answer: schema, components: document.components })),
    );
  expect(validate(answer), JSON.stringify(validate.errors?.[0])).toBe(true);
}
const validators = new Map<object, ValidateFunction>();

describe('cells sent as JSON', () => {
  it('get the embeddings and labels that the library gives the file of them, as a matrix or sparse', async () => {
    const file = join(folder, 'fresh.h5ad');
    await writeSmallH5ad(file, fresh);
    const model = await ScDiVa.fromPretrained(checkpoint);
    const engine = new ScDiVaInference({ model });
    const cells = await openCellFile(file);
    const expected = await engine.annotate(cells);
    cells.close();
    for (const shape of [{ matrix: rows }, { cells: rows.map((row, i) => sparse(row, fresh.cellIds[i])) }]) {
      const { status, body } = await post('/v1/embed', { genes, ...shape });
      expect(status).toBe(200);
      expect(maxDifference(Float32Array.from((body['embeddings'] as number[][]).flat()), expected.latent.data)).toBeLessThan(1e-5);
      const labelled = (await post('/v1/annotate', { genes, ...shape, probabilities: true })).body;
      expect(labelled['labels']).toEqual(expected.labels);
      expect(maxDifference(labelled['confidence'] as number[], expected.confidence)).toBeLessThan(1e-5);
      expect(maxDifference((labelled['probabilities'] as number[][]).flat(), expected.probabilities)).toBeLessThan(1e-5);
      expect(labelled).toMatchObject({ threshold: 0, source: { valueKind: 'counts', numGenes: 40, numGenesMatched: 40, shareOfExpression: 1 } });
    }
    await engine.dispose();
    model.dispose();
  });

  it('get the same answers together with others as alone', async () => {
    const alone: number[][] = [];
    for (const row of rows) alone.push(((await post('/v1/embed', { genes, cells: [sparse(row)] })).body['embeddings'] as number[][])[0]!);
    const patient = await start({ batchDelayMs: 300 });
    const together = await Promise.all(rows.map((row) => post('/v1/embed', { genes, cells: [sparse(row)] }, { at: patient })));
    together.forEach(({ body }, i) => expect(maxDifference((body['embeddings'] as number[][])[0]!, alone[i]!)).toBeLessThan(1e-5));
    const figures = await (await fetch(`${patient.url}/metrics`)).text();
    await patient.stop();
    const most = /scdiva_batch_requests_sum (\d+)[^]*scdiva_batch_requests_count (\d+)/.exec(figures)!;
    expect(Number(most[1])).toBe(12);
    expect(Number(most[2])).toBeLessThan(6);
  });

  it('get labels from the reference the server was started with', async () => {
    const { body } = await post('/v1/map', {
      genes: [...genes, 'OTHER'],
      cells: [...rows.map((row) => sparse(row)), { indices: [40], values: [1] }],
      threshold: 0,
    });
    expect(body).toMatchObject({ classes: ['B', 'NK', 'T'], threshold: 0 });
    const labels = body['labels'] as string[];
    expect(labels.filter((label, i) => label === fresh.types[i]).length).toBeGreaterThan(8);
    expect([labels[12], (body['distance'] as number[])[12], (body['confidence'] as number[])[12]]).toEqual(['unknown', null, 0]);
  });

  it('get how like the cells of training they are, where the checkpoint keeps some', async () => {
    const own = join(folder, 'with-exemplars');
    await cp(checkpoint, own, { recursive: true });
    const embeddings = (await post('/v1/embed', { genes, matrix: rows })).body['embeddings'] as number[][];
    const D = embeddings[0]!.length;
    const [kept, others] = [embeddings.slice(0, 6), embeddings.slice(6)].map((cells) => Float32Array.from(cells.flat())) as [Float32Array, Float32Array];
    await writeExemplars(own, exemplarsOf(kept, others, D));
    const there = await serve({ checkpoint: own, reference: undefined, config: ServerConfig.parse({ port: 0 }), version: '1.2.3' });
    const { body } = await post('/v1/annotate', { genes: [...genes, 'OTHER'], cells: [sparse(rows[0]!), { indices: [40], values: [3] }] }, { at: there });
    await there.stop();
    const [share, none] = body['typicality'] as (number | null)[];
    expect(none).toBeNull();
    expect(share).toBeCloseTo(typicalities(Float32Array.from(embeddings[0]!), exemplarsOf(kept, others, D))[0]!, 3);
    expect((await post('/v1/annotate', { genes, matrix: rows })).body['typicality']).toBeUndefined();
  });

  it('say null where a cell has no gene that the model knows', async () => {
    const { body } = await post('/v1/annotate', { genes: [...genes, 'OTHER'], cells: [sparse(rows[0]!), { indices: [40], values: [3] }] });
    expect(body).toMatchObject({ labels: [expect.any(String), 'unknown'], mostLikely: [expect.any(String), null], cellIds: ['cell 0', 'cell 1'] });
    const embedded = await post('/v1/embed', {
      genes: [...genes, 'OTHER'],
      cells: [
        { indices: [], values: [] },
        { indices: [0, 40], values: [1, 3] },
      ],
    });
    expect(embedded.body['embeddings']).toEqual([null, expect.any(Array)]);
  });

  it.each<[string, unknown, string | RegExp, string?]>([
    ['no genes', { cells: [] }, /^genes: /, 'genes'],
    ['cells and a matrix', { genes: ['A'], cells: [{ indices: [0], values: [1] }], matrix: [[1]] }, /^cells: either cells or matrix, and not both/, 'cells'],
    ['neither', { genes: ['A'] }, /^cells: either cells or matrix/, 'cells'],
    ['a field of another name', { genes: ['A'], matrix: [[1]], treshold: 1 }, /"treshold"/],
    ['a text for a number', { genes: ['A'], cells: [{ indices: [0], values: ['1'] }] }, /^cells\[0\]\.values\[0\]: /, 'cells[0].values[0]'],
    ['an infinite number', '{"genes":["A"],"matrix":[[1e999]]}', /^matrix\[0\]\[0\]: /, 'matrix[0][0]'],
    [
      'values without indices',
      { genes, cells: [{ indices: [0], values: [1, 2] }] },
      'request: cells[0].values: 2 numbers (expected 1, one for each of indices)',
      'cells[0].values',
    ],
    [
      'an index beyond the genes',
      { genes, cells: [{ indices: [0, 40], values: [1, 2] }] },
      'request: cells[0].indices[1]: 40 (expected 0 to 39, a place in genes)',
      'cells[0].indices[1]',
    ],
    ['a short row', { genes, matrix: [[1]] }, 'request: matrix[0]: 1 values (expected 40, one for each of genes)', 'matrix[0]'],
    ['foreign genes', { genes: genes.map((g) => `${g}X`), matrix: [rows[0]] }, /^request: genes: 0 of 40 genes are in the vocabulary of 40/, 'genes'],
    ['scaled values', { genes, matrix: [rows[0]!.map((v) => v - 1)] }, /^request: X: scaled values/, 'X'],
    ['nothing expressed at all', { genes, matrix: [rows[0]!.map(() => 0)] }, /^request: X: values of an unknown kind \(there is no value but zero\)/, 'X'],
    ['no JSON', '{"genes": [', /JSON/],
    ['a prototype', '{"__proto__": {"x": 1}, "genes": ["A"], "matrix": [[1]]}', /not valid JSON/],
    ['a threshold above 1', { genes, matrix: [rows[0]], threshold: 2 }, /^threshold: /, 'threshold'],
  ])('are refused in one line for %s', async (_, request, message, field) => {
    const { status, body } = await post('/v1/annotate', request);
    expect(status).toBe(400);
    expect(body).toMatchObject({ type: 'about:blank', title: 'Bad Request', status: 400, ...(field && { field }) });
    expect(body.detail).toMatch(message);
    expect(body.detail).not.toContain('\n');
  });

  it('nested a hundred thousand deep are refused, and the server lives', async () => {
    const { status } = await post('/v1/embed', `{"genes":${'['.repeat(100_000)}${']'.repeat(100_000)},"matrix":[[1]]}`);
    expect(status).toBe(400);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });
});

describe('an .h5ad', () => {
  it('comes back with the results in it, sent as it is or in a form, and nothing of it stays', async () => {
    const file = join(folder, 'upload.h5ad');
    await writeSmallH5ad(file, fresh);
    const form = new FormData();
    form.append('file', new Blob([await readFile(file)]), '../../etc/passwd');
    for (const request of [{ headers: { 'content-type': 'application/x-hdf5' }, body: await readFile(file) }, { body: form }]) {
      const response = await fetch(`${server.url}/v1/annotate/h5ad?threshold=0&probabilities=true`, { method: 'POST', ...request });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-hdf5']);
      const result = join(folder, 'result.h5ad');
      await writeFile(result, Buffer.from(await response.arrayBuffer()));
      const cells = await openCellFile(result);
      expect(cells.obsKeys).toEqual(['cell_type', 'scdiva_cell_type', 'scdiva_confidence']);
      expect(cells.embedding!('scdiva_probabilities')).toMatchObject({ numRows: 12, numColumns: 3 });
      cells.close();
    }
    await expect.poll(async () => (await uploads()).length).toBe(0);
  });

  it('comes back with labels of the reference', async () => {
    const file = join(folder, 'to-map.h5ad');
    await writeSmallH5ad(file, fresh);
    const response = await fetch(`${server.url}/v1/map/h5ad`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: await readFile(file),
    });
    const result = join(folder, 'mapped.h5ad');
    await writeFile(result, Buffer.from(await response.arrayBuffer()));
    const cells = await openCellFile(result);
    expect(cells.obsKeys).toEqual(['cell_type', 'scdiva_cell_type', 'scdiva_confidence', 'scdiva_agreement', 'scdiva_distance']);
    cells.close();
  });

  it.each<[string, Buffer, RegExp]>([
    ['an empty one', Buffer.alloc(0), /^upload: is empty/],
    ['a pickle', Buffer.from('cos\nsystem\n(S"touch /tmp/x"\ntR.'), /^upload: is not an HDF5 file/],
    ['a zip', Buffer.from('PK\x03\x04'), /^upload: is a zip archive/],
    ['a truncated one', Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0]), /^upload: /],
  ])('is refused in one line for %s, without a word of where it lay', async (_, bytes, message) => {
    const { status, body } = await post('/v1/embed/h5ad', bytes, { type: 'application/x-hdf5' });
    expect(status).toBe(400);
    expect(body.detail).toMatch(message);
    expect(JSON.stringify(body)).not.toMatch(/scdiva-serve|\n/);
    await expect.poll(async () => (await uploads()).length).toBe(0);
  });

  it('is refused with a wrong query or kind of body', async () => {
    expect((await post('/v1/annotate/h5ad?threshold=3', Buffer.from('x'), { type: 'application/x-hdf5' })).body).toMatchObject({
      status: 400,
      field: 'querystring.threshold',
    });
    expect((await post('/v1/annotate/h5ad', 'x', { type: 'text/csv' })).status).toBe(415);
    expect((await post('/v1/embed/h5ad', '{}')).body).toMatchObject({ status: 415, detail: expect.stringContaining('application/x-hdf5') });
  });
});

/** Files that any server of this test still keeps. */
async function uploads(): Promise<string[]> {
  const folders = await readdir(join(folder, 'temporary'));
  return (await Promise.all(folders.map((name) => readdir(join(folder, 'temporary', name))))).flat();
}

describe('the description', () => {
  it('is OpenAPI 3.1 of what this checkpoint can do, and every reference in it leads somewhere', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual([
      '/health/live',
      '/health/ready',
      '/v1/annotate',
      '/v1/annotate/h5ad',
      '/v1/embed',
      '/v1/embed/h5ad',
      '/v1/map',
      '/v1/map/h5ad',
      '/v1/model',
    ]);
    for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
      expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it.each(['/v1/model', '/health/live', '/health/ready'])('holds for GET %s', async (path) => {
    const response = await fetch(server.url + path);
    const answer = await response.json();
    expect(response.status).toBe(200);
    expectDescribed(path, 'get', response, answer);
    if (path === '/v1/model') expect(answer).toMatchObject({ version: '1.2.3', name: 'untrained-annotator', numGenes: 40, head: { task: 'annotation' } });
  });

  it('answers what is not there with a problem, too', async () => {
    const response = await fetch(`${server.url}/v1/integrate`, { method: 'POST', body: '{}' });
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
    expect(await response.json()).toMatchObject({ status: 404, detail: 'POST /v1/integrate is not here (GET /openapi.json lists what is)' });
  });

  it('is beside figures for Prometheus', async () => {
    const figures = await (await fetch(`${server.url}/metrics`)).text();
    for (const name of [
      'scdiva_http_requests_total{route="/v1/annotate",method="POST",status="400"}',
      'scdiva_http_request_seconds_bucket',
      'scdiva_requests_in_flight 0',
      'scdiva_queue_cells 0',
      'scdiva_batch_cells_sum',
      'process_resident_memory_bytes',
    ])
      expect(figures).toContain(name);
  });
});

describe('limits', () => {
  it('refuse a body that is too large, a file before it is stored', async () => {
    const small = await start({ maxBodyBytes: 1000, maxUploadBytes: 1000 });
    expect((await post('/v1/embed', { genes, matrix: rows }, { at: small })).body).toMatchObject({ status: 413, title: 'Payload Too Large' });
    expect((await post('/v1/embed/h5ad', new Uint8Array(100_000), { at: small, type: 'application/x-hdf5' })).body).toMatchObject({ status: 413 });
    // One that does not say how long it is.
    const status = await new Promise((resolve, reject) => {
      const sent = httpRequest(`${small.url}/v1/embed/h5ad`, { method: 'POST', headers: { 'content-type': 'application/x-hdf5' } }, (response) =>
        resolve(response.resume().statusCode),
      ).on('error', reject);
      sent.write(Buffer.alloc(3000));
      sent.end();
    });
    expect(status).toBe(413);
    await small.stop();
  });

  it('answer 429 with the time to come again while as many requests are under way as are taken on', async () => {
    const narrow = await start({ maxRequests: 1, batchDelayMs: 200 });
    const [first, second] = await Promise.all([
      post('/v1/embed', { genes, cells: [sparse(rows[0]!)] }, { at: narrow }),
      new Promise((resolve) => setTimeout(resolve, 60)).then(() => post('/v1/embed', { genes, cells: [sparse(rows[1]!)] }, { at: narrow })),
    ]);
    expect([first.status, second.status]).toEqual([200, 429]);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await post('/v1/embed', { genes, cells: [sparse(rows[1]!)] }, { at: narrow })).status).toBe(200);
    await narrow.stop();
  });

  it('answer 503 for work that takes too long, 408 for a body that does not come', async () => {
    const hasty = await start({ timeoutMs: 100, batchDelayMs: 400 });
    expect((await post('/v1/embed', { genes, cells: [sparse(rows[0]!)] }, { at: hasty })).body).toMatchObject({
      status: 503,
      detail: expect.stringContaining('0.1 s'),
    });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(hasty.port, '127.0.0.1', () =>
        socket.write('POST /v1/embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"genes":'),
      );
      let text = '';
      socket.on('data', (piece: Buffer) => (text += piece.toString())).on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*application\/problem\+json[^]*the request was not here within 0\.1 s/);
    await hasty.stop();
  });
});

describe('stopping', () => {
  it('finishes what is under way, takes on nothing new, and says so on the way', async () => {
    const stopping = await start({ batchDelayMs: 200 });
    const running = post('/v1/embed', { genes, cells: [sparse(rows[0]!)] }, { at: stopping });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stopped = stopping.stop();
    await expect(fetch(`${stopping.url}/health/live`)).rejects.toThrow();
    expect((await running).status).toBe(200);
    await stopped;
    expect(stopping.stop()).toBe(stopping.stop());
  });

  it('ends what is not done when its grace is over', async () => {
    const stopping = await start({ batchDelayMs: 500, graceMs: 50 });
    const running = post('/v1/embed', { genes, cells: [sparse(rows[0]!)] }, { at: stopping });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await stopping.stop();
    expect((await running).body).toMatchObject({ status: 503, detail: 'the server stops' });
  });

  it('is not begun where something else listens: that is one line', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    await expect(start({ port })).rejects.toThrow(`127.0.0.1:${port}: something else listens there (choose another --port, or 0 for any)`);
    other.close();
  });
});
