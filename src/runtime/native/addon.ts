import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { SetupError } from '../../errors.js';
import { runCommand } from '../../toolchain/command.js';
import { napiVersion } from './release.js';

const require = createRequire(import.meta.url);

/** The addon's name inside a staged folder. */
export const ADDON = 'tfjs_binding.node';

/**
 * Compiles the addon of @tensorflow/tfjs-node-gpu against the headers and libraries in `folder` (about ten seconds).
 * It finds the libraries by their place beside it, so the folder may be moved as a whole.
 */
export async function compileAddon(folder: string, compiler: string, signal?: AbortSignal): Promise<void> {
  const sources = join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'binding');
  const { include_dir: nodeApi } = require('node-api-headers') as { include_dir: string };
  const { code, stderr } = await runCommand(
    compiler,
    [
      ...['-std=c++17', '-O2', '-shared', '-fPIC', '-w', `-DNAPI_VERSION=${napiVersion}`],
      ...['-I', nodeApi, '-I', join(folder, 'tensorflow/include')],
      ...[join(sources, 'tfjs_backend.cc'), join(sources, 'tfjs_binding.cc')],
      ...['-L', join(folder, 'tensorflow'), '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
      ...['-Wl,-rpath,$ORIGIN/tensorflow', '-o', join(folder, ADDON)],
    ],
    { signal },
  );
  if (code === 0) return;
  const lines = stderr.trim().split('\n');
  throw new SetupError({
    found: `${compiler} cannot compile the addon: ${lines.find((line) => /error/i.test(line)) ?? lines.at(-1)}`,
    hint: 'a complete g++ 9 or newer is needed; CXX names another compiler',
  });
}
