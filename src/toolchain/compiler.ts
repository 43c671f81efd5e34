import { SetupError } from '../errors.js';
import { firstLineOf } from './command.js';

/** The first C++ compiler that answers: $CXX, g++, clang++, c++; with its version line. */
export async function findCompiler(env: NodeJS.ProcessEnv = process.env): Promise<{ program: string; version: string }> {
  const named = env['CXX'];
  for (const program of named ? [named] : ['g++', 'clang++', 'c++']) {
    const version = await firstLineOf(program, ['--version']);
    if (version !== null) return { program, version };
  }
  throw new SetupError({ key: named, found: 'no C++ compiler', hint: 'install g++ (Debian, Ubuntu: sudo apt install g++; Fedora: sudo dnf install gcc-c++)' });
}
