import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import type { WheelPin } from '../../../src/runtime/native/release.js';

/** Content of the one library in the fake wheel: compressible and irregular enough that a wrong byte shows. */
const SCRIPT = `
import sys, zipfile
path = sys.argv[1]
info = 'scdiva_fake_library-1.0.dist-info'
with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr('fake/libfake.so', b''.join(i.to_bytes(4, 'little') for i in range(500000)))
    wheel.writestr('fake/unwanted.py', 'print()')
    wheel.writestr(info + '/METADATA', 'Metadata-Version: 2.1\\nName: scdiva-fake-library\\nVersion: 1.0\\n')
    wheel.writestr(info + '/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + '/RECORD', '')
`;

/** Writes a small wheel that pip accepts into `folder`, for PIP_FIND_LINKS, and pins it. */
export function writeFakeWheel(folder: string): WheelPin {
  const path = join(folder, 'scdiva_fake_library-1.0-py3-none-any.whl');
  execFileSync('python3', ['-c', SCRIPT, path]);
  return {
    name: 'scdiva-fake-library',
    version: '1.0',
    platform: 'manylinux_2_27_x86_64',
    bytes: statSync(path).size,
    sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
  };
}
