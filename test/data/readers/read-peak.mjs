// Reads every row block of X of one file and prints entries, sum and peak memory. Run as its own process by memory.slow.test.ts.
import { openCellFile } from '../../../dist/data/readers/open.js';

const file = await openCellFile(process.argv[2]);
let [numEntries, sum] = [0, 0];
for await (const { values } of file.matrix('X').rowBlocks()) {
  numEntries += values.length;
  for (const value of values) sum += value;
}
file.close();
process.stdout.write(JSON.stringify({ numEntries, sum, peakMiB: process.resourceUsage().maxRSS / 1024 }));
