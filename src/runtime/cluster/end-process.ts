import { koffi } from '../native/foreign.js';

/** Ends the process at once, as it stands: no destructor runs that would wait for a thread which waits for another machine. */
export function endProcess(exitCode: number): void {
  koffi.load(null).func('_exit', 'void', ['int'])(exitCode);
}
