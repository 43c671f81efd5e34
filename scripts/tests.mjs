import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runNode } from './run.mjs';

/**
 * Runs every test; vitest shows failures as they come, and the last line is `N passed, N failed`.
 * @returns the exit code: 0 only if vitest ended well and nothing failed
 */
export async function runTests(args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'scdiva-tests-'));
  const file = join(folder, 'results.json');
  try {
    const { code } = await runNode(['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...args], {
      env,
    });
    const { passed, failed, skipped, failures } = existsSync(file)
      ? count(JSON.parse(readFileSync(file, 'utf8')))
      : { passed: 0, failed: 0, skipped: 0, failures: [] };
    for (const failure of failures) console.log(`failed: ${failure}`);
    if (skipped > 0) console.log(`${skipped} skipped`);
    // A runner that died, or an error outside of any test, is a failure too.
    const isUnexplained = code !== 0 && failed === 0;
    if (isUnexplained) console.log(`failed: vitest ended with exit code ${code} (see above)`);
    console.log(`${passed} passed, ${failed + (isUnexplained ? 1 : 0)} failed`);
    return code !== 0 ? code : failed > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file that does not load has no failed test in it: it counts as one. */
export function count({ numPassedTests, numPendingTests, numTodoTests = 0, testResults }) {
  const failures = testResults.flatMap(({ name, status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed').map((test) => `${relative(name)} > ${test.fullName}`);
    return status === 'failed' && failed.length === 0 ? [relative(name)] : failed;
  });
  return { passed: numPassedTests, failed: failures.length, skipped: numPendingTests + numTodoTests, failures };
}

const relative = (path) => path.replace(`${process.cwd()}/`, '');
