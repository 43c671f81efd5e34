import { describe, expect, it } from 'vitest';
import { hasFastBf16, instructionSets, parseCpuInfo } from '../../src/toolchain/cpu-info.js';

const cpuInfo = (model: string, flags: string) =>
  `processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: ${model}\nflags\t\t: ${flags}\nbugs\t\t: spectre_v1\n\nprocessor\t: 1\nmodel name\t: ${model}\nflags\t\t: ${flags}\n`;
const SAPPHIRE_RAPIDS = cpuInfo(
  'Intel(R) Xeon(R) Platinum 8481C',
  'fpu sse4_2 avx fma avx2 avx512f avx512dq avx512bw avx512vl avx512_vnni avx512_bf16 amx_bf16 avx512_fp16 amx_tile amx_int8',
);
const SANDY_BRIDGE = cpuInfo('Intel(R) Core(TM) i5-2400', 'fpu sse4_2 avx');

describe('/proc/cpuinfo', () => {
  it('gives model and instruction sets', () => {
    const { model, flags } = parseCpuInfo(SAPPHIRE_RAPIDS);
    expect(model).toBe('Intel(R) Xeon(R) Platinum 8481C');
    expect(instructionSets(flags)).toEqual(['SSE4.2', 'AVX', 'FMA', 'AVX2', 'AVX-512', 'AVX-512 VNNI', 'AVX-512 BF16', 'AMX INT8', 'AMX BF16']);
    expect(hasFastBf16(flags)).toBe(true);
  });

  it('claims no more than an old processor has', () => {
    const { flags } = parseCpuInfo(SANDY_BRIDGE);
    expect(instructionSets(flags)).toEqual(['SSE4.2', 'AVX']);
    expect(hasFastBf16(flags)).toBe(false);
  });

  it('does not take avx512f alone for AVX-512 as TensorFlow uses it', () => {
    expect(instructionSets(new Set(['avx512f']))).toEqual([]);
  });

  it('of another kind of processor is not misread', () => {
    expect(parseCpuInfo('processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n')).toEqual({ model: 'unknown', flags: new Set() });
  });
});
