// Preloaded into a process under test (node --import): kills it, as kill -9 or a power cut would, at the KILL_AT-th moment in
// which a file is half written, about to be renamed, just renamed, or about to be removed. Each thread counts for itself.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const killAt = Number(process.env.KILL_AT);
let moment = 0;

function mayDie() {
  if (++moment === killAt) process.kill(process.pid, 'SIGKILL');
}

const { open, rename, rm } = fs;

fs.open = async (path, flags, ...rest) => {
  const handle = await open(path, flags, ...rest);
  for (const method of ['writeFile', 'writev', 'appendFile']) {
    const write = handle[method].bind(handle);
    let isFirst = method !== 'appendFile';
    handle[method] = async (data, ...options) => {
      if (method === 'appendFile' || isFirst) {
        isFirst = false;
        if (moment + 1 === killAt) await write(data.slice(0, data.length >> 1)); // half of the text, of the bytes, of the pieces
        mayDie();
      }
      return write(data, ...options);
    };
  }
  return handle;
};
fs.rename = async (...args) => {
  mayDie();
  await rename(...args);
  mayDie();
};
fs.rm = async (...args) => {
  mayDie();
  return rm(...args);
};
syncBuiltinESMExports();
