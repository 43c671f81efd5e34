import { ScDivaError } from '../errors.js';

/** One line on stderr; the stack only under --verbose or for a bug of ours. @returns the exit code */
export function reportError(error: unknown, isVerbose: boolean): number {
  if (error instanceof ScDivaError) {
    process.stderr.write(`scdiva: ${error.message}\n`);
    if (isVerbose && error.stack) process.stderr.write(`${error.stack}\n`);
    return error.exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`scdiva: this is a bug of scdiva, not of your input:\n${stack}\n`);
  return 1;
}
