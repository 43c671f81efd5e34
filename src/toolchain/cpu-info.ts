/** What /proc/cpuinfo says of an x86 machine. */
export interface CpuInfo {
  readonly model: string;
  /** Flags as the kernel spells them: avx2, avx512_bf16, amx_tile. */
  readonly flags: ReadonlySet<string>;
}

export function parseCpuInfo(text: string): CpuInfo {
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1]?.trim();
  return { model: field('model name') ?? 'unknown', flags: new Set((field('flags') ?? '').split(/\s+/).filter(Boolean)) };
}

/** The sets TensorFlow's kernels tell apart, in the order they came: what decides the speed of a matrix product. */
const INSTRUCTION_SETS: readonly [name: string, flags: readonly string[]][] = [
  ['SSE4.2', ['sse4_2']],
  ['AVX', ['avx']],
  ['FMA', ['fma']],
  ['AVX2', ['avx2']],
  ['AVX-512', ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl']],
  ['AVX-512 VNNI', ['avx512_vnni']],
  ['AVX-512 BF16', ['avx512_bf16']],
  ['AMX INT8', ['amx_tile', 'amx_int8']],
  ['AMX BF16', ['amx_tile', 'amx_bf16']],
];

export function instructionSets(flags: ReadonlySet<string>): string[] {
  return INSTRUCTION_SETS.filter(([, needed]) => needed.every((flag) => flags.has(flag))).map(([name]) => name);
}

/** Are bfloat16 matrix products done by the hardware (and so faster than float32 ones)? */
export function hasFastBf16(flags: ReadonlySet<string>): boolean {
  return flags.has('amx_bf16') || flags.has('avx512_bf16');
}
