import { SingleBar } from 'cli-progress';
import type { Progress, ProgressBar } from '../progress.js';

const PLAIN_INTERVAL_MS = 10_000;

/** Bars with an ETA on a terminal; elsewhere a plain line at the start, every ten seconds and at the end. */
export function createTerminalProgress(stream: NodeJS.WriteStream): Progress {
  return { start: stream.isTTY ? (label, total, unit) => bar(stream, label, total, unit) : (label, total, unit) => plain(stream, label, total, unit) };
}

function bar(stream: NodeJS.WriteStream, label: string, total: number, unit: string): ProgressBar {
  const single = new SingleBar({
    stream,
    format: '{label} {bar} {percentage}% {value}/{total} {unit} ETA {eta_formatted} {note}',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    etaBuffer: 50,
    linewrap: null,
  });
  single.start(total, 0, { label, unit, note: '' });
  return {
    update: (done, note) => single.update(Math.min(done, total), note === undefined ? {} : { note }),
    stop: () => single.stop(),
  };
}

function plain(stream: NodeJS.WriteStream, label: string, total: number, unit: string): ProgressBar {
  const started = Date.now();
  let lastPrint = started;
  let done = 0;
  let lastNote = '';
  stream.write(`${label}: ${total} ${unit}\n`);
  return {
    update(value, note) {
      done = value;
      lastNote = note ?? lastNote;
      const now = Date.now();
      if (now - lastPrint < PLAIN_INTERVAL_MS) return;
      lastPrint = now;
      const etaSeconds = done > 0 ? Math.round((((now - started) / done) * (total - done)) / 1000) : undefined;
      stream.write(`${label}: ${done}/${total} ${unit}${etaSeconds === undefined ? '' : `, ETA ${etaSeconds} s`}${lastNote && `, ${lastNote}`}\n`);
    },
    stop() {
      stream.write(`${label}: ${done}/${total} ${unit} in ${((Date.now() - started) / 1000).toFixed(1)} s${lastNote && `, ${lastNote}`}\n`);
    },
  };
}
