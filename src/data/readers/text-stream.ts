import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '../../errors.js';

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
/** A line longer than this is no table. */
const LONGEST_LINE = 1 << 28;

/** The first bytes of a file. @throws DataError when it cannot be read */
export async function firstBytes(path: string, count: number): Promise<Buffer> {
  try {
    const handle = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The bytes of a file, unpacked where its content (not its name) says gzip. @throws DataError when it cannot be read or is cut */
export async function* unpackedBytes(path: string): AsyncGenerator<Buffer> {
  const head = await firstBytes(path, 2);
  const isPacked = head[0] === 0x1f && head[1] === 0x8b;
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const bytes = isPacked ? file.pipe(createGunzip({ chunkSize: 1 << 18 })) : file;
  file.on('error', (error) => bytes.destroy(error));
  try {
    for await (const chunk of bytes) yield chunk as Buffer;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    bytes.destroy();
    file.destroy();
  }
}

/**
 * Lines without their ends, \n or \r\n. A byte order mark is dropped.
 * @param onOpenEnd hears that the last line has no end, as of a file that was cut
 * @throws DataError as unpackedBytes, and for a line too long to be one
 */
export async function* lines(path: string, onOpenEnd: () => void = () => {}): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let restLength = 0;
  let isFirst = true;
  const line = (bytes: Buffer): string => {
    const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
    const text = bytes.toString('utf8', 0, end);
    const clean = isFirst ? text.replace(/^\ufeff/, '') : text;
    isFirst = false;
    return clean;
  };
  for await (const chunk of unpackedBytes(path)) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const piece = chunk.subarray(from, end);
      yield line(restLength > 0 ? Buffer.concat([...rest, piece]) : piece);
      rest = [];
      restLength = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restLength += chunk.length - from;
      if (restLength > LONGEST_LINE) throw new DataError({ file: path, found: `has a line of more than ${LONGEST_LINE} bytes`, expected: 'a table of text' });
    }
  }
  if (restLength > 0) {
    yield line(Buffer.concat(rest));
    onOpenEnd();
  }
}

function unreadable(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR')
    return new DataError({ file: path, found: 'is truncated: the packed data end too early', hint: 'copy or download it again', cause: error });
  if (code?.startsWith('Z_'))
    return new DataError({ file: path, found: `cannot be unpacked: ${(error as Error).message}`, hint: 'copy or download it again', cause: error });
  if (code === 'ENOENT' || code === 'ENOTDIR') return new DataError({ file: path, found: 'no such file', cause: error });
  if (code === 'EACCES' || code === 'EPERM') return new DataError({ file: path, found: 'cannot be read: permission denied', cause: error });
  return code === undefined ? error : new DataError({ file: path, found: `cannot be read (${code})`, cause: error });
}
