import { createContext, type CommonFlags, type VerbContext } from './context.js';
import { ClusterError, WorkerDone } from '../errors.js';
import { reportError } from './report-error.js';
import type { VerbResult } from './verb.js';

/** Runs a verb: signals, output, one-line errors and the exit code. */
export async function execute(run: (context: VerbContext) => Promise<VerbResult>, flags: CommonFlags, stopping = 'stopping'): Promise<void> {
  const abort = new AbortController();
  const onSignal = () => {
    if (abort.signal.aborted) process.exit(130);
    process.stderr.write(`\n${stopping}; once more ends at once\n`);
    abort.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const result = await run(createContext(flags, abort.signal));
    if (flags.json) process.stdout.write(`${JSON.stringify(result.json)}\n`);
    else if (result.text) process.stdout.write(`${result.text}\n`);
    process.exitCode = result.exitCode ?? 0;
  } catch (error) {
    process.exitCode = error instanceof WorkerDone ? 0 : reportError(error, flags.verbose);
    // TensorFlow still waits for the worker that has gone, in threads that nothing but the end of the process ends.
    if (error instanceof ClusterError) await import('../runtime/cluster/end-process.js').then(({ endProcess }) => endProcess(error.exitCode));
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
