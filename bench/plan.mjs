// npm run -s bench -- plan [--json] [--hidden 128] [--layers 4] [--heads 4] [--ffn 256] [--genes 256] [--cells 16] [--accumulation 1]
//                          [--steps 24] [--precision bf16] [--max-seconds 60]
//
// Holds `scdiva plan` against what then happens: builds a corpus of synthetic cells, plans a pretraining on it, runs that
// pretraining, and compares step time (mean of the later half of the steps) and peak memory. The two are run one after the other: what
// else the machine does in between shows as error.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { print, round } from './support/measure.mjs';
import { writeSyntheticCells } from './support/synthetic-cells.mjs';

const number = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    hidden: number(128),
    layers: number(4),
    heads: number(4),
    ffn: number(256),
    genes: number(256),
    cells: number(16),
    accumulation: number(1),
    steps: number(24),
    precision: number('bf16'),
    'max-seconds': number(60),
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scdiva-bench-plan-'));
try {
  const { buildCorpus } = await import('../dist/data/corpus/build.js');
  const { readMetrics } = await import('../dist/train/metrics-log.js');
  await writeSyntheticCells(join(folder, 'cells.h5ad'), { numCells: 600, numGenes: 4000 });
  await buildCorpus([join(folder, 'cells.h5ad')], { out: join(folder, 'corpus') });
  const settings = {
    'data.corpus': join(folder, 'corpus'),
    'model.hiddenDim': flags.hidden,
    'model.numLayers': flags.layers,
    'model.numHeads': flags.heads,
    'model.ffnDim': flags.ffn,
    'model.maxGenes': flags.genes,
    'train.batchSize': flags.cells,
    'train.accumulation': flags.accumulation,
    'train.steps': flags.steps,
    'train.precision': flags.precision,
    'train.evaluateEvery': 'null',
    'train.checkpointEvery': 'null',
  };
  const common = [
    '--config',
    join(root, 'configs/debug/pretrain.yaml'),
    ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    '--json',
  ];
  const scdiva = (verb, ...args) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', join(root, 'test/support/report-peak.mjs'), join(root, 'bin/scdiva.js'), verb, ...common, ...args],
      { encoding: 'utf8', env: { ...process.env, PEAK_FILE: join(folder, verb) }, maxBuffer: 1 << 26 },
    );
    if (status !== 0) throw new Error(`scdiva ${verb} exited with ${status}: ${stderr}`);
    return JSON.parse(stdout.trim().split('\n').at(-1));
  };
  const plan = scdiva('plan', '--max-seconds', flags['max-seconds']);
  scdiva('pretrain', '--out', join(folder, 'run'));
  const times = (await readMetrics(join(folder, 'run', 'metrics.jsonl'))).filter(({ split }) => split === 'train').map(({ stepMs }) => stepMs);
  // Steps that make a graph for a new batch shape stand out; the plan counts them apart, under compiling.
  const later = times.slice(times.length >> 1).sort((a, b) => a - b);
  const stepMs = later.slice(0, Math.ceil(0.8 * later.length)).reduce((sum, ms) => sum + ms, 0) / Math.ceil(0.8 * later.length);
  const peak = Number(readFileSync(join(folder, 'pretrain'), 'utf8'));
  print(
    {
      bench: 'plan',
      hidden: Number(flags.hidden),
      layers: Number(flags.layers),
      genes: Number(flags.genes),
      cells: Number(flags.cells),
      accumulation: Number(flags.accumulation),
      extrapolated: plan.probe.isExtrapolated,
      parameters: plan.parameters.total,
      planned_step_ms: round(plan.step.ms),
      step_ms: round(stepMs),
      step_error: round(plan.step.ms / stepMs - 1, 3),
      planned_peak_mb: round(plan.memory.peakBytes / 1e6),
      peak_mb: round(peak / 1e6),
      peak_error: round(plan.memory.peakBytes / peak - 1, 3),
    },
    flags.json,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
