import { readSync } from 'node:fs';

/** Bytes of one Arrow buffer, from the start of the file. `bytes` may include padding; 0 where the buffer was left out. */
export interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/** Reads exactly these bytes. @throws RangeError where the file ends before them */
export function readRegion(fd: number, region: Region): Uint8Array {
  const bytes = new Uint8Array(region.bytes);
  readInto(fd, bytes, region.offset);
  return bytes;
}

export function readInto(fd: number, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.length;) {
    const n = readSync(fd, target, done, target.length - done, position + done);
    if (n === 0) throw new RangeError(`the file ends at byte ${position + done}`);
    done += n;
  }
}
