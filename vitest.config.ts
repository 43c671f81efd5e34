import { defineConfig } from 'vitest/config';

const root = import.meta.dirname ?? new URL('.', import.meta.url).pathname.replace(/\/$/, '');

// Tests import '../../src/x.js'. They are given dist/x.js, the code that ships, loaded by Node itself and not by the test
// runner: worker threads, native addons and child processes then meet the very same modules a user's process does.
const shippedCode = { find: /^(?:\.\.?\/)+src\/(.*)$/, replacement: `${root}/dist/$1` };

// `fast` needs no build of the native library beyond what is there and ends in about a minute: it runs before every commit.
// `slow` starts child processes, trains, or reads large files: it runs in CI.
const shared = { environment: 'node', pool: 'forks' as const, testTimeout: 60_000, hookTimeout: 60_000, server: { deps: { external: [/\/dist\//] } } };

export default defineConfig({
  test: {
    projects: [
      { resolve: { alias: [shippedCode] }, test: { ...shared, name: 'fast', include: ['test/**/*.test.ts'], exclude: ['test/**/*.slow.test.ts'] } },
      {
        resolve: { alias: [shippedCode] },
        test: { ...shared, name: 'slow', include: ['test/**/*.slow.test.ts'], testTimeout: 600_000, fileParallelism: false },
      },
    ],
  },
});
