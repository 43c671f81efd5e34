// npm run -s bench -- serve --checkpoint DIR [--clients 1,8,32] [--requests 1000] [--cells 1] [--genes 1200] [--batch-size 32] [--json]
//
// Starts `scdiva serve` in a process of its own, on loopback, and lets so many clients ask for embeddings as fast as they are answered: latency
// p50 and p99, requests and cells a second, answers that were not 200, resident memory of the server along the way. Each number of clients is
// measured with batching and without (--batch-size 1, --batch-delay 0), on one and the same cells: random ones of the checkpoint's genes.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Rng, loadCheckpoint } from '../dist/index.js';
import { print, round } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: {
    checkpoint: { type: 'string' },
    clients: { type: 'string', default: '1,8,32' },
    requests: { type: 'string', default: '1000' },
    cells: { type: 'string', default: '1' },
    genes: { type: 'string', default: '1200' },
    'batch-size': { type: 'string', default: '32' },
    precision: { type: 'string', default: 'f32' },
    route: { type: 'string', default: '/v1/embed' },
    batching: { type: 'string', default: 'on,off' },
    json: { type: 'boolean', default: false },
  },
});
if (!flags.checkpoint) {
  console.error(
    'usage: npm run -s bench -- serve --checkpoint DIR [--clients 1,8,32] [--requests 1000] [--cells 1] [--genes 1200] [--batch-size 32] [--batching on,off] [--json]',
  );
  process.exit(2);
}
const bin = fileURLToPath(new URL('../bin/scdiva.js', import.meta.url));
const NUM_BODIES = 64;

const { vocabulary, folder } = await loadCheckpoint(flags.checkpoint);
const genes = vocabulary.genes.map(({ symbol, ensemblId }) => symbol || ensemblId);
const rng = Rng.fromSeed(1);
const numExpressed = Math.min(Number(flags.genes), genes.length);
const bodies = Array.from({ length: NUM_BODIES }, () => {
  // As a client sends them: the genes that its cells express, no others.
  const cells = Array.from({ length: Number(flags.cells) }, () => rng.permutation(genes.length).subarray(0, numExpressed));
  const used = [...new Set(cells.flatMap((ids) => [...ids]))];
  const place = new Map(used.map((id, i) => [id, i]));
  return Buffer.from(
    JSON.stringify({
      genes: used.map((id) => genes[id]),
      cells: cells.map((ids) => ({ indices: Array.from(ids, (id) => place.get(id)), values: Array.from(ids, () => 1 + rng.int(20)) })),
    }),
  );
});

async function start(isBatching) {
  const child = spawn(
    process.execPath,
    [
      bin,
      'serve',
      '--checkpoint',
      folder,
      '--port',
      '0',
      '--precision',
      flags.precision,
      ...(isBatching ? ['--batch-size', flags['batch-size']] : ['--batch-size', '1', '--batch-delay', '0']),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exit = new Promise((resolve) => child.once('exit', resolve));
  const port = await new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (piece) => {
      said += piece;
      const found = /listening on http:\S+:(\d+):/.exec(said);
      if (found) resolve(Number(found[1]));
    });
    void exit.then((code) => reject(new Error(`the server ended with ${code}`)));
  });
  return {
    port,
    rssMb: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(join('/proc', String(child.pid), 'status'), 'utf8'))[1]) / 1024,
    stop: () => (child.kill('SIGTERM'), exit),
  };
}

function ask(agent, port, body) {
  return new Promise((resolve, reject) => {
    const sent = request(
      { agent, port, host: '127.0.0.1', path: flags.route, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': body.length } },
      (response) => {
        let numBytes = 0;
        response.on('data', (piece) => (numBytes += piece.length));
        response.on('end', () => resolve({ status: response.statusCode, numBytes }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function load(server, numClients, numRequests) {
  const agent = new Agent({ keepAlive: true, maxSockets: numClients });
  const latencies = [];
  const rss = [];
  let [next, lost, numAnswered] = [0, 0, 0];
  const every = Math.max(1, Math.floor(numRequests / 10));
  const client = async () => {
    while (next < numRequests) {
      const i = next++;
      const begin = performance.now();
      const answer = await ask(agent, server.port, bodies[i % NUM_BODIES]).catch(() => undefined);
      if (answer?.status !== 200 || answer.numBytes === 0) lost++;
      latencies.push(performance.now() - begin);
      if (++numAnswered % every === 0) rss.push(round(server.rssMb()));
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: numClients }, client));
  const seconds = (performance.now() - begin) / 1000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const at = (share) => round(latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))], 2);
  return {
    requests: numRequests,
    lost,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    max_ms: round(latencies.at(-1), 2),
    requests_per_s: round(numRequests / seconds),
    cells_per_s: round((numRequests * Number(flags.cells)) / seconds),
    rss_mb: rss,
  };
}

for (const batching of flags.batching.split(',')) {
  const server = await start(batching === 'on');
  for (const clients of flags.clients.split(',').map(Number)) {
    // Graphs are compiled at the first cells of each size: those are not what is measured.
    await load(server, clients, Math.min(200, Math.max(20, 4 * clients)));
    const result = await load(server, clients, Number(flags.requests));
    print({ bench: 'serve', batching: batching === 'on', clients, cells_a_request: Number(flags.cells), genes_a_cell: numExpressed, ...result }, flags.json);
  }
  const code = await server.stop();
  if (code !== 0) throw new Error(`the server ended with ${code}`);
}
