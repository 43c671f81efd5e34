/**
 * What is staged, pinned to the byte. A new TensorFlow is a change of this file alone: `pip download` the wheels with the tags
 * below and note `sha256sum` and size.
 */
export const tensorflowVersion = '2.21.0';
/** The addon is compiled from this package's sources; Node-API 8 makes one build good for Node 20, 22 and 24. */
export const tfjsVersion = '4.22.0';
export const napiVersion = 8;

/** cpu: any x86-64 machine. cuda: NVIDIA GPUs too (and the CPU, where there is none). */
export type Variant = 'cpu' | 'cuda';

/** One file of the Python package index. */
export interface WheelPin {
  readonly name: string;
  readonly version: string;
  /** Tags of the file name, as `pip download` wants them; abi absent = py3-none. */
  readonly platform: string;
  readonly abi?: 'cp311';
  readonly bytes: number;
  readonly sha256: string;
}

export const tensorflowWheels: Readonly<Record<Variant, WheelPin>> = {
  cpu: {
    name: 'tensorflow-cpu',
    version: tensorflowVersion,
    platform: 'manylinux_2_27_x86_64',
    abi: 'cp311',
    bytes: 273_829_956,
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  },
  cuda: {
    name: 'tensorflow',
    version: tensorflowVersion,
    platform: 'manylinux_2_27_x86_64',
    abi: 'cp311',
    bytes: 572_440_367,
    sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  },
};

/** The CUDA 12.9 set that satisfies the `and-cuda` extra of the wheel above (setup checks that it does). */
export const cudaWheels: readonly WheelPin[] = [
  ['nvidia-cublas-cu12', '12.9.3.13', 'manylinux_2_27_x86_64', 581_217_458, 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72'],
  ['nvidia-cuda-cupti-cu12', '12.9.79', 'manylinux_2_25_x86_64', 10_814_997, '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f'],
  ['nvidia-cuda-nvcc-cu12', '12.9.86', 'manylinux_2_12_x86_64', 40_546_229, '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0'],
  ['nvidia-cuda-nvrtc-cu12', '12.9.86', 'manylinux_2_12_x86_64', 89_568_129, '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4'],
  ['nvidia-cuda-runtime-cu12', '12.9.79', 'manylinux_2_17_x86_64', 3_493_179, '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3'],
  ['nvidia-cudnn-cu12', '9.28.0.42', 'manylinux_2_27_x86_64', 716_538_495, '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375'],
  ['nvidia-cufft-cu12', '11.4.1.4', 'manylinux_2_17_x86_64', 200_877_592, 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28'],
  ['nvidia-curand-cu12', '10.3.10.19', 'manylinux_2_27_x86_64', 68_295_626, '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e'],
  ['nvidia-cusolver-cu12', '11.7.5.82', 'manylinux_2_27_x86_64', 338_117_415, '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88'],
  ['nvidia-cusparse-cu12', '12.5.10.65', 'manylinux_2_17_x86_64', 366_465_088, '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78'],
  ['nvidia-nccl-cu12', '2.32.3', 'manylinux_2_27_x86_64', 351_526_311, 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c'],
  ['nvidia-nvjitlink-cu12', '12.9.86', 'manylinux_2_12_x86_64', 39_748_338, 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9'],
].map(([name, version, platform, bytes, sha256]) => ({ name, version, platform, bytes, sha256 }) as WheelPin);

/**
 * Which files of the wheels are kept, under their own paths: the libraries find each other by run paths relative to that layout
 * (`$ORIGIN/../nvidia/cublas/lib`), so no environment variable is needed. ptxas and libdevice are what XLA compiles kernels with.
 */
export function isLibrary(entry: string): boolean {
  return (
    /^tensorflow\/libtensorflow_(cc|framework)\.so\.2$/.test(entry) ||
    /^nvidia\/[^/]+\/lib\/[^/]+\.so[.\d]*$/.test(entry) ||
    /^nvidia\/cuda_nvcc\/(bin|nvvm)\/./.test(entry) ||
    /\.dist-info\/(METADATA|LICENSE[^/]*|licenses\/.+)$/.test(entry)
  );
}

/** The C headers the addon is compiled against, and what they include; deleted after the build. */
export function isHeader(entry: string): boolean {
  return /^tensorflow\/include\/(tensorflow\/c\/|tensorflow\/core\/platform\/ctstring|tsl\/platform\/ctstring|xla\/tsl\/c\/).*\.h$/.test(entry);
}
