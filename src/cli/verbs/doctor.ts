import type { Diagnosis } from '../../runtime/native/diagnosis.js';
import type { LibraryPlace } from '../../toolchain/library.js';
import { defineVerb } from '../verb.js';

export const doctor = defineVerb<object>({
  command: 'doctor',
  describe: 'what is installed, what will be used, what is missing and the mend',
  options: (y) => y,
  async run() {
    const { diagnose } = await import('../../runtime/native/diagnosis.js');
    const { batchLibrary } = await import('../../data/loader/batch-addon.js');
    const [diagnosis, loops] = await Promise.all([diagnose(), batchLibrary()]);
    return { json: { ...diagnosis, loops }, text: describe(diagnosis, loops), exitCode: diagnosis.backend === null ? 1 : 0 };
  },
});

function describe(d: Diagnosis, loops: LibraryPlace): string {
  const { cpu, memory } = d.machine;
  const rows: [string, string][] = [
    ['backend', d.backend === null ? 'none runs' : d.backend === 'native' ? `native TensorFlow ${d.tensorflow.version}` : 'WebAssembly (slower)'],
    ['Node', d.node.version],
    ['TensorFlow.js', d.tfjs],
    ...d.tensorflow.staged.map(({ variant, folder, state }): [string, string] => [
      `TensorFlow, ${variant}`,
      state === 'absent' ? 'not set up' : `${state}, ${folder}`,
    ]),
    ...d.devices.map(({ type, name, isUsed }): [string, string] => [type === 'gpu' ? 'GPU' : 'CPU', `${name}${isUsed ? '' : ' (not used)'}`]),
    ['cores', `${cpu.cores}${cpu.quota === null ? '' : `, limited to the time of ${cpu.quota}`}`],
    ['instruction sets', `${cpu.instructionSets.join(', ') || 'unknown'}${cpu.hasFastBf16 ? ' (train.precision bf16 is fast here)' : ''}`],
    [
      'memory',
      `${gigabytes(memory.availableBytes)} of ${gigabytes(memory.totalBytes)} available${memory.limitBytes === null ? '' : `, limited to ${gigabytes(memory.limitBytes)}`}`,
    ],
    ...d.disk.map(({ folder, freeBytes }): [string, string] => ['disk', `${gigabytes(freeBytes)} free in ${folder}`]),
    ['Python', d.python ? `${d.python.version}, pip ${d.python.pip} (${d.python.program})` : 'none found'],
    ['C++ compiler', d.compiler?.version ?? 'none found'],
    ['fused kernels', d.kernels.isBuilt ? 'compiled for this processor' : 'not compiled yet: the next setup or run on the CPU does it'],
    [
      'loader loops',
      loops.isBuilt
        ? 'compiled for this processor'
        : d.compiler && process.platform === 'linux'
          ? 'not compiled yet: the next setup or run does it'
          : 'WebAssembly (slower)',
    ],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const complaints = d.shortcomings.map(({ found, mend }) => `  ${found}${mend ? `\n    → ${mend}` : ''}`);
  return [...table, '', ...(complaints.length > 0 ? ['missing or wrong:', ...complaints] : ['nothing is missing'])].join('\n');
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
