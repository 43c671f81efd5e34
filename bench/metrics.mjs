// npm run -s bench -- metrics [--cells 100000] [--dims 512] [--no-recall] [--json]
//
// Integration scores of clouds of cells: 20 types, 5 batches, 30 true dimensions turned into --dims, and noise. Seconds of each part, processor
// time and peak memory of the process, and how many of the true 15 nearest of 500 cells the neighbour search finds.
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    cells: { type: 'string', default: '100000' },
    dims: { type: 'string', default: '512' },
    json: { type: 'boolean', default: false },
    'no-recall': { type: 'boolean', default: false },
  },
});
const { Rng } = await import('../dist/rng.js');
const { integrationScores } = await import('../dist/metrics/integration/scores.js');
const { nearestNeighbours } = await import('../dist/metrics/neighbours.js');

const [numTypes, numBatches, numTrue] = [20, 5, 30];
const [n, d] = [Number(flags.cells), Number(flags.dims)];
const rng = Rng.fromSeed(1);
const table = (name, rows, columns, scale) => {
  const stream = rng.fork(name);
  return Array.from({ length: rows }, () => Float64Array.from({ length: columns }, () => scale * stream.normal()));
};
const centres = table('centres', numTypes, numTrue, 2);
const shifts = table('shifts', numBatches, numTrue, 0.5);
const turn = table('turn', numTrue, d, 1 / Math.sqrt(numTrue));
const labels = Int32Array.from({ length: n }, (_, i) => i % numTypes);
const techBatches = Int32Array.from({ length: n }, (_, i) => Math.floor(i / numTypes) % numBatches);
const data = new Float32Array(n * d);
// Cheap noise: this is the bench's own material, not what it measures.
let state = 1;
const noise = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5) * 3.46;
for (let i = 0; i < n; i++) {
  for (let k = 0; k < numTrue; k++) {
    const value = centres[labels[i]][k] + shifts[techBatches[i]][k] + noise();
    for (let j = 0; j < d; j++) data[i * d + j] += value * turn[k][j];
  }
  for (let j = 0; j < d; j++) data[i * d + j] += 0.3 * noise();
}
const embedding = { numRows: n, numColumns: d, data };

const parts = {};
let last;
const mark = (part) => {
  const now = performance.now();
  if (last) parts[last.part] = +((now - last.at) / 1000).toFixed(1);
  last = { part, at: now };
};
const before = process.cpuUsage();
const started = performance.now();
const scores = await integrationScores({ embedding, labels, techBatches, rng: rng.fork('scores'), onPart: mark });
mark('end');
const { user, system } = process.cpuUsage(before);
const result = {
  cells: n,
  dims: d,
  seconds: +((performance.now() - started) / 1000).toFixed(1),
  cpuSeconds: +((user + system) / 1e6).toFixed(1),
  parts,
  peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  ...(!flags['no-recall'] && { recallAt15: await recall() }),
};
console.log(flags.json ? JSON.stringify({ ...result, scores }) : JSON.stringify(result, null, 2));

/** Of the exact 15 nearest (and the cell itself) of 500 cells, the share that the search finds. */
async function recall() {
  const k = 16;
  const found = await nearestNeighbours(embedding, k);
  let hits = 0;
  for (let cell = 0; cell < 500; cell++) {
    const distances = Float64Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += (data[i * d + j] - data[cell * d + j]) ** 2;
      return sum;
    });
    const limit = distances.slice().sort()[k - 1];
    for (let j = 0; j < k; j++) if (distances[found.indices[cell * k + j]] <= limit) hits++;
  }
  return +(hits / (500 * k)).toFixed(4);
}
