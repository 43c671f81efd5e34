import { execFile } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { structuredCells } from '../support/structured-cells.js';
import { hasNative } from '../support/tensorflow.js';
import { readMetrics } from '../../src/train/metrics-log.js';

const root = resolve(import.meta.dirname, '../..');
const folder = temporaryFolder('slurm');

/** Stands for Slurm's: two tasks on this machine, with the variables of a step. Both wait for each other, so they must run at once. */
const SRUN = `#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
export SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=localhost SLURM_STEP_TASKS_PER_NODE=2 SLURM_NODEID=0
for rank in 0 1; do SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" & pids+=($!); done
status=0
for pid in "\${pids[@]}"; do wait "$pid" || status=$?; done
exit $status
`;

describe.runIf(hasNative)('the Slurm script', () => {
  it('trains with two tasks, goes back into the queue after a failure and not after a mistake', async () => {
    const bin = await folder();
    const corpus = (await smallCorpus(await folder(), structuredCells(1, 60))).path;
    const out = join(await folder(), 'run');
    const requeued = join(bin, 'requeued');
    const write = (name: string, text: string): void => {
      writeFileSync(join(bin, name), text);
      chmodSync(join(bin, name), 0o755);
    };
    write('srun', SRUN);
    write('scontrol', `#!/usr/bin/env bash\necho "$*" >> '${requeued}'\n`);
    const env = {
      ...process.env,
      PATH: `${bin}:${process.env['PATH']}`,
      SCDIVA: root,
      CORPUS: corpus,
      OUT: out,
      CONFIG: join(root, 'configs/debug/pretrain.yaml'),
      SLURM_JOB_ID: '77',
      SCDIVA_PORT: String(24_000 + (process.pid % 20_000)),
    };
    const script = (...args: string[]) => promisify(execFile)('bash', [join(root, 'deploy/slurm/pretrain.sbatch'), ...args], { env });
    const settings = ['model.maxGenes=6', 'train.steps=3', 'train.evaluateEvery=null', 'train.checkpointEvery=null'].flatMap((setting) => ['--set', setting]);

    await expect(script(...settings, '--set', 'train.batchSize=1')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('train.batchSize') });
    expect(existsSync(requeued)).toBe(false);
    await script(...settings);
    expect((await readMetrics(join(out, 'metrics.jsonl'))).filter(({ split }) => split === 'train')).toHaveLength(3);
    expect(existsSync(requeued)).toBe(false);
    write('srun', '#!/usr/bin/env bash\nexit 130\n');
    await expect(script(...settings)).rejects.toMatchObject({ code: 130 });
    expect(readFileSync(requeued, 'utf8')).toBe('requeue 77\n');
  });
});
