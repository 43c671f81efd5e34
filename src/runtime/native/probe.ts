import { fileURLToPath } from 'node:url';
import { SetupError } from '../../errors.js';
import { runCommand } from '../../toolchain/command.js';

/** What a staged library says of itself once loaded. */
export interface Probed {
  /** TensorFlow's own version. */
  readonly version: string;
  /** Does TensorFlow place work on a GPU? */
  readonly hasGpu: boolean;
  /** Does it find the CUDA libraries staged with it? null = none are. */
  readonly findsCuda: boolean | null;
}

/** Loads a staged folder and multiplies two matrices, in a process of its own: a library that does not fit may end it. */
export function probe(folder: string): Promise<Probed> {
  return ask(folder, { file: folder, hint: 'run: npx scdiva setup --force' });
}

/** The same with the WebAssembly backend. */
export function probeWasm(): Promise<Probed> {
  return ask('wasm', { file: 'WebAssembly', hint: 'run: npm ci --ignore-scripts' });
}

async function ask(what: string, { file, hint }: { file: string; hint: string }): Promise<Probed> {
  const script = fileURLToPath(new URL('./probe-process.js', import.meta.url));
  const { code, stdout, stderr } = await runCommand(process.execPath, [script, what], { timeoutMs: 300_000 });
  if (code === 0) return JSON.parse(stdout.trim().split('\n').at(-1)!) as Probed;
  const lines = stderr.split('\n').map((line) => line.trim());
  const reason = lines.find((line) => /^(\w*Error|F\d{4})/.test(line)) ?? lines.findLast(Boolean) ?? `it ended without a word (exit code ${code})`;
  throw new SetupError({ file, found: `TensorFlow does not run: ${reason}`, hint });
}
