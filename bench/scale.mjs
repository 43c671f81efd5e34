// npm run -s bench -- scale [--json] [--workers 1,2,4] [--hidden 512] [--layers 4] [--heads 8] [--ffn 1024] [--genes 256] [--cells 16] [--steps 8] [--link-gbps 4]
//
// Holds `scdiva plan --workers` against clusters on this machine, whose workers share its cores: plans a pretraining on synthetic cells, then runs it
// with so many workers, with the optimiser whole and divided, and compares step time (median of the later half) and each worker's peak memory.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { print, round } from './support/measure.mjs';
import { writeSyntheticCells } from './support/synthetic-cells.mjs';

const text = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    workers: text('1,2,4'),
    hidden: text(512),
    layers: text(4),
    heads: text(8),
    ffn: text(1024),
    genes: text(256),
    cells: text(16),
    steps: text(8),
    'link-gbps': text(4),
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scdiva-bench-scale-'));
const scdiva = join(root, 'bin/scdiva.js');
try {
  const { buildCorpus } = await import('../dist/data/corpus/build.js');
  const { readMetrics } = await import('../dist/train/metrics-log.js');
  await writeSyntheticCells(join(folder, 'cells.h5ad'), { numCells: 300, numGenes: 4000 });
  await buildCorpus([join(folder, 'cells.h5ad')], { out: join(folder, 'corpus') });
  const settings = {
    'data.corpus': join(folder, 'corpus'),
    'model.hiddenDim': flags.hidden,
    'model.numLayers': flags.layers,
    'model.numHeads': flags.heads,
    'model.ffnDim': flags.ffn,
    'model.maxGenes': flags.genes,
    'train.batchSize': flags.cells,
    'train.steps': flags.steps,
    'train.precision': 'bf16',
    'train.evaluateEvery': 'null',
    'train.checkpointEvery': 'null',
    'loader.numWorkers': '1',
  };
  const common = (isSharded) => [
    '--config',
    join(root, 'configs/debug/pretrain.yaml'),
    ...Object.entries({ ...settings, 'train.shardOptimizer': String(isSharded) }).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
  ];
  const workers = flags.workers.split(',').map(Number);
  const most = String(Math.max(...workers));
  const planned = spawnSync(
    process.execPath,
    [scdiva, 'plan', ...common(false), '--json', '--workers', flags.workers, '--devices-per-node', most, '--link-gbps', flags['link-gbps']],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (planned.status !== 0) throw new Error(planned.stderr);
  const { rows } = JSON.parse(planned.stdout.trim().split('\n').at(-1)).scale;

  for (const row of rows) {
    for (const isSharded of row.workers > 1 ? [false, true] : [false]) {
      const out = join(folder, `run-${row.workers}-${isSharded}`);
      const peaks = await run(row.workers, [...common(isSharded), '--out', out]);
      const times = (await readMetrics(join(out, 'metrics.jsonl'))).filter(({ split }) => split === 'train').map(({ stepMs }) => stepMs);
      const later = times.slice(times.length >> 1).sort((a, b) => a - b);
      const stepMs = later[later.length >> 1];
      print(
        {
          bench: 'scale',
          workers: row.workers,
          optimizer: isSharded ? 'divided' : 'whole',
          cells: row.cells,
          step_ms: round(stepMs),
          peak_mb_each: peaks.map((bytes) => round(bytes / 1e6)),
          ...(!isSharded && {
            planned_step_ms: round(row.step.ms),
            planned_reduce_ms: round(row.step.reduceMs),
            step_error: round(row.step.ms / stepMs - 1, 3),
            planned_peak_mb: round(row.memory.total / 1e6),
            peak_error: round(row.memory.total / Math.max(...peaks) - 1, 3),
          }),
        },
        flags.json,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Trains, and watches what memory each worker comes to. @returns bytes, largest first */
async function run(numWorkers, args) {
  const child = spawn(process.execPath, [scdiva, ...(numWorkers > 1 ? ['launch', '--workers', String(numWorkers), '--'] : []), 'pretrain', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (data) => (stderr += data));
  const peaks = new Map();
  const look = setInterval(() => {
    for (const pid of numWorkers > 1 ? childrenOf(child.pid) : [child.pid]) {
      const peak = /VmHWM:\s+(\d+) kB/.exec(readText(`/proc/${pid}/status`))?.[1];
      if (peak) peaks.set(pid, 1024 * Number(peak));
    }
  }, 100);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(`a run with ${numWorkers} workers exited with ${code}: ${stderr}`);
  return [...peaks.values()].sort((a, b) => b - a).slice(0, numWorkers);
}

function childrenOf(pid) {
  return readText(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended
  }
}
