import { ConfigError } from '../../errors.js';

/** What a training computes on, by published figures of its maker: peak rates, which no program reaches. */
export interface Device {
  readonly name: string;
  readonly memoryBytes: number;
  /** Matrix products in bfloat16 and in float32 (TensorFloat-32, TensorFlow's default on these), dense, TFLOP/s. */
  readonly peakTflops: { readonly bf16: number; readonly f32: number };
  /** Of its own memory, bytes a second. */
  readonly memoryRate: number;
  /** To the other devices of its node, bytes a second each way. */
  readonly linkRate: number;
}

const gpu = (name: string, memoryGb: number, bf16: number, f32: number, memoryTbs: number, linkGbs: number): Device => ({
  name,
  memoryBytes: memoryGb * 1e9,
  peakTflops: { bf16, f32 },
  memoryRate: memoryTbs * 1e12,
  linkRate: linkGbs * 1e9,
});

/** NVIDIA's data sheets, SXM versions; products without sparsity, NVLink one way. */
export const DEVICES: readonly Device[] = [
  gpu('A100-40GB', 40, 312, 156, 1.555, 300),
  gpu('A100-80GB', 80, 312, 156, 2.039, 300),
  gpu('H100-80GB', 80, 989, 494, 3.35, 450),
  gpu('H200-141GB', 141, 989, 494, 4.8, 450),
];

/** Devices by name as a user may write it: `a100-40gb`. @throws ConfigError naming those there are */
export function findDevice(name: string): Device {
  const found = DEVICES.find((device) => device.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new ConfigError({ key: '--device', found: name, expected: `one of ${DEVICES.map((device) => device.name).join(', ')}, or this (the machine this is)` });
}
