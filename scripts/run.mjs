import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The clone this file is in; everything runs there. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** Ends the set-up with one line. */
export class SetupFailure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program in the clone, its output shown; resolves with its exit code, as a shell gives it.
 * Signals are the program's to answer: Ctrl-C reaches it by the terminal, and this process waits for it to end.
 */
export function run(program, args, { env = process.env, captures = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ['inherit', captures ? 'pipe' : 'inherit', 'inherit'] });
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => (stdout += text));
    const wait = () => {};
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', wait).on('SIGTERM', forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait).off('SIGTERM', forward);
      resolve({ code: code ?? 128 + constants.signals[signal], stdout });
    });
  });
}

export const runNode = (args, options) => run(process.execPath, args, options);
