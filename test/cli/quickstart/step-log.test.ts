import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { StepLog, type Step } from '../../../src/cli/quickstart/step-log.js';
import { temporaryFolder } from '../../support/small-corpus.js';

const newFolder = temporaryFolder('steps');
let folder: string;
let said: string[];
let calls: boolean[];

const step = (inputs: unknown, content = 'made', more: Partial<Step> = {}): Step => ({
  name: 'one',
  title: 'do one thing',
  inputs,
  outputs: ['one/result.txt'],
  folder: 'one',
  async work(hasBegun) {
    calls.push(hasBegun);
    await mkdir(join(folder, 'one'), { recursive: true });
    await writeFile(join(folder, 'one/result.txt'), content);
  },
  ...more,
});
const open = () => StepLog.open(folder, 2, (line) => said.push(line));

beforeEach(async () => {
  folder = join(await newFolder(), 'run');
  said = [];
  calls = [];
});

describe('StepLog', () => {
  it('does a step once and reuses it in a later run', async () => {
    const first = await (await open()).run(step({ a: 1 }));
    const log = await open();
    expect(await log.run(step({ a: 1 }))).toEqual(first);
    expect(calls).toEqual([false]);
    expect(said).toEqual(['1/2 do one thing', '1/2 do one thing: reusing what is there']);
    expect(log.times).toEqual([{ name: 'do one thing', seconds: expect.any(Number) as number, isReused: true }]);
  });

  it('does it again from an empty folder when its inputs differ', async () => {
    await (await open()).run(step({ a: 1 }));
    await writeFile(join(folder, 'one/leftover'), '');
    await (await open()).run(step({ a: 2 }));
    expect(calls).toEqual([false, false]);
    expect(existsSync(join(folder, 'one/leftover'))).toBe(false);
  });

  it.each([
    ['is missing', () => rm(join(folder, 'one/result.txt'))],
    ['has been changed', () => writeFile(join(folder, 'one/result.txt'), 'spoilt')],
  ])('does it again when an output %s', async (_, spoil) => {
    await (await open()).run(step({ a: 1 }));
    await spoil();
    await (await open()).run(step({ a: 1 }));
    expect(calls).toHaveLength(2);
    expect(await readFile(join(folder, 'one/result.txt'), 'utf8')).toBe('made');
  });

  it('tells a step that was cut short to go on, and leaves its folder alone', async () => {
    const cutShort = step({ a: 1 }, '', {
      async work() {
        await mkdir(join(folder, 'one'));
        await writeFile(join(folder, 'one/checkpoint'), '');
        throw new Error('interrupted');
      },
    });
    await expect((await open()).run(cutShort)).rejects.toThrow('interrupted');
    await (await open()).run(step({ a: 1 }));
    expect(calls).toEqual([true]);
    expect(existsSync(join(folder, 'one/checkpoint'))).toBe(true);
  });

  it('does everything again after its log was damaged', async () => {
    await (await open()).run(step({ a: 1 }));
    await writeFile(join(folder, 'steps.json'), '{');
    await (await open()).run(step({ a: 1 }));
    expect(calls).toHaveLength(2);
  });

  it('refuses a folder that holds other things, in one line, and touches nothing', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'thesis.tex'), 'years of work');
    await expect(open()).rejects.toMatchObject({
      name: 'OutputError',
      message: expect.stringMatching(/holds other files \(thesis\.tex\).*choose another --out/) as string,
    });
    expect(await readFile(join(folder, 'thesis.tex'), 'utf8')).toBe('years of work');
  });
});
