// Run as a process of its own: node stage-process.mjs PIN_AS_JSON CACHE HANG?
// Stages the fake wheel and prints what came of it; appends a line to CACHE/built.log each time it gets as far as the build.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stage } from '../../../dist/runtime/native/stage.js';

const [pin, cache, hang] = process.argv.slice(2);
const staged = await stage(
  {
    key: 'fake-1.0',
    wheels: [JSON.parse(pin)],
    isWanted: (entry) => entry.endsWith('.so'),
    bytesNeeded: 1e6,
    check: async () => {},
    async finish(folder) {
      appendFileSync(join(cache, 'built.log'), `${process.pid}\n`);
      await sleep(hang ? 600_000 : 300);
      writeFileSync(join(folder, 'addon.node'), 'built');
    },
  },
  cache,
);
process.stdout.write(JSON.stringify(staged));
