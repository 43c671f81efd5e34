import { spawn } from 'node:child_process';
import { InterruptedError } from '../errors.js';

export interface CommandResult {
  /** null = ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** Called with each whole line of stdout, which is then not collected. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a program without a shell, its output captured.
 * @throws the operating system's error when it cannot be started (ENOENT: not installed), InterruptedError when `signal` fires
 */
export function runCommand(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { input, env = process.env, signal, timeoutMs, onLine } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(interrupted());
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'], ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }) });
    const stop = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', stop, { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (!onLine) return;
      const lines = stdout.split('\n');
      stdout = lines.pop()!;
      for (const line of lines) onLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => {}); // The program ended before it read its input: its exit code tells.
    child.stdin.end(input ?? '');
    child.on('error', reject);
    child.on('close', (code) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) reject(interrupted());
      else resolve({ code, stdout, stderr });
    });
  });
}

function interrupted(): InterruptedError {
  return new InterruptedError({ found: 'interrupted', hint: 'files that arrived whole stay: the same command goes on from there' });
}

/** Is the program there and does it answer? Its first line, or null. */
export async function firstLineOf(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { code, stdout } = await runCommand(program, args, { timeoutMs: 20_000 });
    return code === 0 ? (stdout.split('\n')[0] ?? '').trim() : null;
  } catch {
    return null;
  }
}
