import { describe, expect, it } from 'vitest';
import { membersOf } from '../../../src/runtime/cluster/cluster.js';
import { expandCounts, expandNodeList } from '../../../src/runtime/cluster/slurm.js';
import { membersFromTfConfig } from '../../../src/runtime/cluster/tf-config.js';
import { watchedBy } from '../../../src/runtime/cluster/watch.js';

const tfConfig = (cluster: object, task: object = { type: 'worker', index: 0 }): string => JSON.stringify({ cluster, task });
const two = ['a:1', 'b:2'];

describe('TF_CONFIG', () => {
  it('names workers in the order of ranks', () => {
    expect(membersFromTfConfig(tfConfig({ worker: two }, { type: 'worker', index: 1 }))).toEqual({ addresses: two, rank: 1, source: 'TF_CONFIG' });
    expect(membersFromTfConfig(tfConfig({ worker: two }, { type: 'worker', index: '1' }))?.rank).toBe(1); // as some operators write it
  });

  it('puts a chief first, whatever the order of the jobs', () => {
    const cluster = { worker: two, chief: ['c:3'], evaluator: ['e:4'] };
    expect(membersFromTfConfig(tfConfig(cluster, { type: 'chief', index: 0 }))).toMatchObject({ addresses: ['c:3', 'a:1', 'b:2'], rank: 0 });
    expect(membersFromTfConfig(tfConfig(cluster, { type: 'worker', index: 1 }))?.rank).toBe(2);
  });

  it('of one worker, or of none, means alone', () => {
    expect(membersFromTfConfig(tfConfig({ worker: ['a:1'] }))).toBeUndefined();
    expect(membersFromTfConfig('{}')).toBeUndefined();
    expect(membersOf({})).toBeUndefined();
    expect(membersOf({ TF_CONFIG: tfConfig({ worker: two }) })?.addresses).toEqual(two);
  });

  it.each([
    ['{"cluster"', /^TF_CONFIG: not JSON: .*\(expected \{"cluster"/],
    [tfConfig({ worker: two }, { type: 'worker', index: 2 }), /^TF_CONFIG: task\.index: 2 \(the cluster has 2 workers: 0 to 1\)/],
    [tfConfig({ worker: two }, { type: 'ps', index: 0 }), /task\.type: "ps", a job that the cluster does not have \(one of worker\)/],
    [tfConfig({ worker: two, evaluator: ['e:1'] }, { type: 'evaluator', index: 0 }), /does not train here/],
    [tfConfig({ worker: ['a:1', 'b'] }), /cluster\.worker\.1: "b" is not host:port/],
    [tfConfig({ worker: ['a:1', 'b:70000'] }), /"b:70000" is not host:port/],
    [tfConfig({ worker: ['a:1', 'a:1'] }), /cluster: a:1 twice/],
    [tfConfig({ worker: two, ps: ['p:1'] }), /cluster: a job named ps/],
    [tfConfig({ worker: two, chief: ['c:1', 'd:2'] }), /cluster\.chief: 2 tasks/],
    [JSON.stringify({ cluster: { worker: two } }), /^TF_CONFIG: task: /],
  ])('%s is refused in one line', (text, message) => {
    expect(() => membersFromTfConfig(text)).toThrow(message);
  });
});

describe('Slurm', () => {
  const step = {
    SLURM_STEP_NUM_TASKS: '5',
    SLURM_PROCID: '3',
    SLURM_STEP_NODELIST: 'gpu[08-09],login',
    SLURM_STEP_TASKS_PER_NODE: '2(x2),1',
    SLURM_JOB_ID: '7',
    SLURM_STEP_ID: '0',
  };

  it('numbers tasks node by node, and gives each a port of its own on its node', () => {
    expect(membersOf(step)).toEqual({ addresses: ['gpu08:23112', 'gpu08:23113', 'gpu09:23112', 'gpu09:23113', 'login:23112'], rank: 3, source: 'Slurm' });
    expect(membersOf({ ...step, SLURM_DISTRIBUTION: 'cyclic', SCDIVA_PORT: '500' })?.addresses).toEqual([
      'gpu08:500',
      'gpu09:500',
      'login:500',
      'gpu08:501',
      'gpu09:501',
    ]);
    expect(membersOf({ ...step, SLURM_STEP_RESV_PORTS: '12000-12001' })?.addresses[1]).toBe('gpu08:12001');
  });

  it('means alone in the batch script, which is no step of several tasks', () => {
    expect(membersOf({ SLURM_NTASKS: '4', SLURM_PROCID: '0', SLURM_JOB_NODELIST: 'a,b' })).toBeUndefined();
  });

  it('is refused where the tasks stand in another order than it says', () => {
    expect(() => membersOf({ ...step, SLURM_NODEID: '0', SLURM_LOCALID: '1' })).toThrow(/SLURM_DISTRIBUTION: block, by which task 3 would stand elsewhere/);
    expect(() => membersOf({ ...step, SLURM_STEP_TASKS_PER_NODE: '5' })).toThrow(/1 nodes \(expected the 3 of SLURM_STEP_NODELIST/);
  });

  it('writes node lists short', () => {
    expect(expandNodeList('a[1-3,07],b-2,r[1-2]n[9-10]')).toEqual(['a1', 'a2', 'a3', 'a07', 'b-2', 'r1n9', 'r1n10', 'r2n9', 'r2n10']);
    expect(expandCounts('2(x3),1')).toEqual([2, 2, 2, 1]);
    for (const bad of ['a[1', 'a[x]', 'a[3-1]', '']) expect(() => expandNodeList(bad)).toThrow(/SLURM_STEP_NODELIST/);
  });
});

describe('who watches whom', () => {
  it('lets the first worker see every other one, and every other one the first and its neighbours', () => {
    const addresses = Array.from({ length: 5 }, (_, i) => `h:${i + 1}`);
    expect(watchedBy({ rank: 0, addresses })).toEqual([1, 2, 3, 4]);
    expect(watchedBy({ rank: 2, addresses })).toEqual([0, 1, 3]);
    expect(watchedBy({ rank: 4, addresses })).toEqual([0, 3]);
    expect(watchedBy({ rank: 1, addresses: addresses.slice(0, 2) })).toEqual([0]);
  });
});
