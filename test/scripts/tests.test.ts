import { describe, expect, it } from 'vitest';

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: string[];
}
// Plain JavaScript, because it runs before anything is compiled.
const { count } = (await import(new URL('../../scripts/tests.mjs', import.meta.url).href)) as { count: (results: object) => Count };

const file = (name: string, status: string, tests: Record<string, string>) => ({
  name,
  status,
  assertionResults: Object.entries(tests).map(([fullName, outcome]) => ({ fullName, status: outcome })),
});

describe('the count of a test run', () => {
  it('names each failed test', () => {
    const testResults = [
      file('a.test.ts', 'passed', { one: 'passed', two: 'passed' }),
      file('b.test.ts', 'failed', { three: 'failed', four: 'passed', five: 'pending' }),
    ];
    expect(count({ numPassedTests: 3, numPendingTests: 1, testResults })).toEqual({ passed: 3, failed: 1, skipped: 1, failures: ['b.test.ts > three'] });
  });

  it('takes a file that does not load for a failure', () => {
    expect(count({ numPassedTests: 0, numPendingTests: 0, testResults: [file('broken.test.ts', 'failed', {})] })).toMatchObject({
      passed: 0,
      failed: 1,
      failures: ['broken.test.ts'],
    });
  });

  it('takes a file whose tests were all skipped by a failed hook for a failure', () => {
    expect(count({ numPassedTests: 0, numPendingTests: 1, testResults: [file('hook.test.ts', 'failed', { one: 'pending' })] })).toMatchObject({
      failed: 1,
      failures: ['hook.test.ts'],
    });
  });
});
