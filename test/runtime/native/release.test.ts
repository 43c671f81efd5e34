import { describe, expect, it } from 'vitest';
import { cudaWheels, isHeader, isLibrary, tensorflowWheels } from '../../../src/runtime/native/release.js';
import { compareVersions, requirementsOf, unmet } from '../../../src/runtime/native/requirements.js';

/** Lines as the CUDA wheel's METADATA has them. */
const METADATA = `Metadata-Version: 2.4
Name: tensorflow
Version: 2.21.0
Requires-Dist: h5py<3.15.0,>=3.11.0
Provides-Extra: and-cuda
Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"
Requires-Dist: nvidia-cuda-cupti-cu12<13.0,>=12.5.82; extra == "and-cuda"
Requires-Dist: nvidia-cuda-nvcc-cu12<13.0,>=12.5.82; extra == "and-cuda"
Requires-Dist: nvidia-cuda-nvrtc-cu12<13.0,>=12.5.82; extra == "and-cuda"
Requires-Dist: nvidia-cuda-runtime-cu12<13.0,>=12.5.82; extra == "and-cuda"
Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"
Requires-Dist: nvidia-cufft-cu12<12.0,>=11.2.3.61; extra == "and-cuda"
Requires-Dist: nvidia-curand-cu12<11.0,>=10.3.6.82; extra == "and-cuda"
Requires-Dist: nvidia-cusolver-cu12<12.0,>=11.6.3.83; extra == "and-cuda"
Requires-Dist: nvidia-cusparse-cu12<13.0,>=12.5.1.3; extra == "and-cuda"
Requires-Dist: nvidia-nccl-cu12<3.0,>=2.27.7; extra == "and-cuda"
Requires-Dist: nvidia-nvjitlink-cu12<13.0,>=12.5.82; extra == "and-cuda"
Requires-Dist: tensorflow-io-gcs-filesystem>=0.23.1; (sys_platform != "win32" and python_version < "3.13") and extra == "gcs-filesystem"
`;

describe('the pinned CUDA wheels', () => {
  it('are what TensorFlow asks for, neither more nor less', () => {
    const requirements = requirementsOf(METADATA, 'and-cuda');
    expect(unmet(requirements, cudaWheels)).toBeNull();
    expect(cudaWheels.map(({ name }) => name)).toEqual(requirements.map(({ name }) => name));
  });

  it('are told apart from what does not fit', () => {
    const requirements = requirementsOf(METADATA, 'and-cuda');
    expect(unmet(requirements, cudaWheels.slice(1))).toBe('nvidia-cublas-cu12 is required and not pinned');
    const older = cudaWheels.map((pin) => (pin.name === 'nvidia-cudnn-cu12' ? { ...pin, version: '9.3.0.7' } : pin));
    expect(unmet(requirements, older)).toBe('nvidia-cudnn-cu12 is pinned to 9.3.0.7, required is >=9.3.0.75');
    const newer = cudaWheels.map((pin) => (pin.name === 'nvidia-nccl-cu12' ? { ...pin, version: '3.0' } : pin));
    expect(unmet(requirements, newer)).toBe('nvidia-nccl-cu12 is pinned to 3.0, required is <3.0');
  });

  it('have a sum and a size each', () => {
    for (const pin of [...Object.values(tensorflowWheels), ...cudaWheels]) {
      expect(pin.sha256, pin.name).toMatch(/^[0-9a-f]{64}$/);
      expect(pin.bytes, pin.name).toBeGreaterThan(1e6);
    }
  });
});

describe('version numbers', () => {
  it('are compared part by part, as numbers', () => {
    expect(compareVersions('12.10', '12.9')).toBeGreaterThan(0);
    expect(compareVersions('9.3', '9.3.0')).toBe(0);
    expect(compareVersions('2.27.7', '2.32.3')).toBeLessThan(0);
  });

  it('in a bound of a form not known are refused, not skipped', () => {
    expect(() => requirementsOf('Requires-Dist: a~=1.0; extra == "x"', 'x')).toThrow('~=1.0');
  });
});

describe('what is taken from the wheels', () => {
  it('is TensorFlow’s two libraries, NVIDIA’s, the kernel compiler and the licences', () => {
    for (const entry of [
      'tensorflow/libtensorflow_cc.so.2',
      'tensorflow/libtensorflow_framework.so.2',
      'nvidia/cudnn/lib/libcudnn_engines_precompiled.so.9',
      'nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.9',
      'nvidia/cuda_nvcc/bin/ptxas',
      'nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc',
      'tensorflow-2.21.0.dist-info/METADATA',
      'nvidia_cuda_nvcc_cu12-12.9.86.dist-info/licenses/License.txt',
    ])
      expect(isLibrary(entry), entry).toBe(true);
  });

  it('is nothing of Python, no other header, no static library', () => {
    for (const entry of [
      'tensorflow/__init__.py',
      'tensorflow/python/_pywrap_tfe.so',
      'tensorflow/include/tensorflow/c/c_api.h',
      'nvidia/cublas/include/cublas.h',
      'nvidia/cuda_runtime/lib/libcudart_static.a',
      'nvidia/cudnn/lib/__init__.py',
      'tensorflow-2.21.0.dist-info/RECORD',
    ])
      expect(isLibrary(entry), entry).toBe(false);
  });

  it('for the build is the C headers and what they include', () => {
    for (const entry of [
      'tensorflow/include/tensorflow/c/eager/c_api.h',
      'tensorflow/include/xla/tsl/c/tsl_status.h',
      'tensorflow/include/tsl/platform/ctstring_internal.h',
    ])
      expect(isHeader(entry), entry).toBe(true);
    for (const entry of ['tensorflow/include/Eigen/Core', 'tensorflow/include/tensorflow/core/platform/env.h', 'tensorflow/libtensorflow_cc.so.2'])
      expect(isHeader(entry), entry).toBe(false);
  });
});
