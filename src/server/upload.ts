import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.js';
import { untilStopped } from './time-limits.js';

/** Kinds of body an .h5ad may come as, beside a form with one file. */
export const UPLOAD_TYPES = ['application/x-hdf5', 'application/octet-stream'];

/** An uploaded file on the server's disk, and where its result goes. */
export interface Upload {
  readonly input: string;
  readonly output: string;
  /** Removes both. */
  remove(): Promise<void>;
}

/**
 * Writes the file of a request to disk as it comes in; no more than a piece of it is ever in memory.
 * @param folder the server's own
 * @throws HttpProblem 413 once it is larger than `maxBytes`, 400 where there is no file
 */
export async function receiveUpload(request: FastifyRequest, folder: string, maxBytes: number): Promise<Upload> {
  const name = randomUUID();
  const upload: Upload = {
    input: join(folder, `${name}.h5ad`),
    output: join(folder, `${name}.out.h5ad`),
    remove: async () => {
      await rm(upload.input, { force: true });
      await rm(upload.output, { force: true });
    },
  };
  request.forgetPaths = (text) => text.replaceAll(upload.input, 'upload').replaceAll(upload.output, 'result').replaceAll(folder, '');
  try {
    if (Number(request.headers['content-length'] ?? 0) > maxBytes + FORM_BYTES) throw tooLarge(maxBytes);
    const stream = await fileOf(request);
    await untilStopped(request, (signal) => pipeline(stream, atMost(maxBytes), createWriteStream(upload.input, { flags: 'wx', mode: 0o600 }), { signal }));
    return upload;
  } catch (error) {
    await upload.remove();
    throw error;
  }
}

/** What a form may add around its file. */
const FORM_BYTES = 64 * 1024;

async function fileOf(request: FastifyRequest): Promise<Readable> {
  if (!request.isMultipart()) {
    if (!(request.body instanceof Readable))
      throw new HttpProblem(415, `no file in the request (send one as the body with content-type ${UPLOAD_TYPES[0]}, or as a form with one file)`);
    return request.body;
  }
  const part = await request.file();
  if (!part) throw new HttpProblem(400, 'no file in the form (send one, as in curl -F file=@cells.h5ad)');
  return part.file;
}

function atMost(maxBytes: number): Transform {
  let numBytes = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      numBytes += piece.length;
      if (numBytes > maxBytes) done(tooLarge(maxBytes));
      else done(null, piece);
    },
  });
}

function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem(413, `the file is larger than the ${maxBytes} bytes taken here (use scdiva annotate or scdiva embed where the file is)`, {
    closes: true,
  });
}
