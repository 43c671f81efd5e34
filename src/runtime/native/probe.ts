import { fileURLToPath } from 'node:url';
import { SetupError } from '../../errors.js';
import { runCommand } from './command.js';

/** What a staged library says of itself once loaded. */
export interface Probed {
  /** TensorFlow's own version. */
  readonly version: string;
  /** Does TensorFlow place work on a GPU? */
  readonly hasGpu: boolean;
}

/** Loads a staged folder and multiplies two matrices, in a process of its own: a library that does not fit may end it. */
export async function probe(folder: string): Promise<Probed> {
  const script = fileURLToPath(new URL('./probe-process.js', import.meta.url));
  const { code, stdout, stderr } = await runCommand(process.execPath, [script, folder], { timeoutMs: 300_000 });
  if (code === 0) return JSON.parse(stdout.trim().split('\n').at(-1)!) as Probed;
  const lines = stderr.split('\n').map((line) => line.trim());
  const reason = lines.find((line) => /^(Error|F\d{4}|.*(error|cannot|undefined symbol))/i.test(line)) ?? lines.findLast(Boolean);
  throw new SetupError({ file: folder, found: `the staged TensorFlow does not run here: ${reason ?? `it ended without a word (exit code ${code})`}`, hint: 'run: npx scdiva setup --force' });
}
