import type { Plan } from './plan.js';

/** A plan as lines for people. */
export function describePlan({ task, parameters, memory, step, total, disk, probe, assumptions }: Plan): string {
  const fits = memory.peakBytes <= memory.availableBytes;
  const rows: [string, string][] = [
    ['task', task],
    ['parameters', `${count(parameters.total)}, ${parameters.trainable === parameters.total ? 'all trained' : `${count(parameters.trainable)} trained`}`],
    ...Object.entries(parameters.parts)
      .sort(([, a], [, b]) => b - a)
      .map(([part, n]): [string, string] => [`  ${part}`, count(n)]),
    [
      'memory at its peak',
      `${bytes(memory.peakBytes)} of ${bytes(memory.availableBytes)} available${fits ? '' : ': it does not fit, raise train.accumulation or set train.microBatch to auto'}`,
    ],
    ['  weights', bytes(memory.weightsBytes)],
    ['  gradients', bytes(memory.gradientsBytes)],
    ['  optimiser', bytes(memory.optimizerBytes)],
    ['  activations', `${bytes(memory.activationsBytes)} for ${step.microBatch} cells at once`],
    [
      'step',
      `${duration(step.ms / 1e3)} for ${count(step.cells)} cells${step.accumulation > 1 ? ` in ${step.accumulation} micro-batches` : ''}, ${step.cellsPerSec.toPrecision(3)} cells/s, ${count(step.tokens)} tokens`,
    ],
    ['steps', total.steps === null ? 'not known without the number of cells' : count(total.steps)],
    ...(total.tokens === null ? [] : [['tokens', count(total.tokens)] as [string, string]]),
    ...(total.secondsOf === null
      ? []
      : [
          [
            'time to finish',
            `${duration(total.seconds!)}: ${Object.entries(total.secondsOf)
              .filter(([, s]) => s >= 0.01 * total.seconds!)
              .map(([part, s]) => `${part} ${duration(s)}`)
              .join(', ')}`,
          ] as [string, string],
        ]),
    ['disk', `${bytes(disk.checkpointBytes)} a checkpoint, ${bytes(disk.keptBytes)} for those that are kept`],
    [
      'measured on',
      `${probe.device}, ${probe.executor} executor; ${probe.isExtrapolated ? `extrapolated from ${probe.runs.map(({ numLayers, numCells }) => `${numLayers} layers × ${numCells} cells`).join(', ')}` : 'the whole step'}, imagined cells`,
    ],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [...rows.map(([name, text]) => `${name.padEnd(width)}${text}`), ...assumptions.map((assumption) => `assumed: ${assumption}`)].join('\n');
}

const count = (n: number): string => n.toLocaleString('en');

export function bytes(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} GB`;
  return n >= 1e6 ? `${(n / 1e6).toFixed(0)} MB` : `${(n / 1e3).toFixed(0)} kB`;
}

export function duration(seconds: number): string {
  if (seconds < 1) return `${(1e3 * seconds).toFixed(0)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}
