import { SetupError } from '../../errors.js';
import { silentProgress } from '../../progress.js';
import { runCommand } from '../../toolchain/command.js';
import { findPython, toMegabytes, type DownloadOptions } from './python.js';

/**
 * A wheel is a zip archive, and Python, which fetched it, reads those as a stream (the largest file in it has 1.1 GB).
 * stdin: names of entries, as JSON. argv: archive, folder. stdout: bytes written so far, a line each.
 */
const EXTRACT = `
import json, os, sys, zipfile
archive, folder = sys.argv[1:]
done = 0
with zipfile.ZipFile(archive) as wheel:
    for name in json.load(sys.stdin):
        info = wheel.getinfo(name)
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with wheel.open(info) as source, open(path, 'wb') as target:
            while chunk := source.read(1 << 22):
                target.write(chunk)
                done += len(chunk)
                print(done, flush=True)
        os.chmod(path, 0o755 if info.external_attr >> 16 & 0o100 else 0o644)
`;

const LIST = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    print(json.dumps([[e.filename, e.file_size] for e in wheel.infolist() if not e.is_dir()]))
`;

/**
 * Extracts the entries `isWanted` chooses, under their own paths.
 * @returns their names
 */
export async function extractWheel(
  path: string,
  folder: string,
  isWanted: (entry: string) => boolean,
  label: string,
  options: DownloadOptions = {},
): Promise<string[]> {
  const { progress = silentProgress, signal } = options;
  const { program } = options.python ?? (await findPython());
  const listing = await runPython(program, LIST, [path], { signal });
  const entries = (JSON.parse(listing) as [name: string, bytes: number][]).filter(([name]) => isWanted(name));
  const names = entries.map(([name]) => name);
  const escape = names.find((name) => name.startsWith('/') || name.split('/').includes('..'));
  if (escape !== undefined) throw new SetupError({ file: path, key: escape, found: 'an entry that points outside its archive' });
  const bar = progress.start(`unpacking ${label}`, toMegabytes(entries.reduce((sum, [, bytes]) => sum + bytes, 0)), 'MB');
  try {
    await runPython(program, EXTRACT, [path, folder], { signal, input: JSON.stringify(names), onLine: (line) => bar.update(toMegabytes(Number(line))) });
  } finally {
    bar.stop();
  }
  return names;
}

async function runPython(program: string, script: string, args: string[], options: Parameters<typeof runCommand>[2]): Promise<string> {
  // -I: neither the user's packages nor PYTHONPATH take part.
  const { code, stdout, stderr } = await runCommand(program, ['-I', '-c', script, ...args], options);
  if (code === 0) return stdout;
  const isDiskFull = /Errno 28|No space left/.test(stderr);
  throw new SetupError({
    file: args[0],
    found: isDiskFull ? 'cannot be unpacked: the disk is full' : `cannot be unpacked: ${stderr.trim().split('\n').at(-1)}`,
    hint: isDiskFull ? 'free space, or point SCDIVA_CACHE at a folder with room' : 'remove it and run the command again',
  });
}
