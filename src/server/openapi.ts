import { UPLOAD_TYPES } from './upload.js';

type Document = Readonly<Record<string, unknown>>;
interface Operation {
  readonly tags?: readonly string[];
  requestBody?: unknown;
  responses?: Record<string, unknown>;
}

const BINARY = { schema: { type: 'string', format: 'binary' } };

/** Answers that any route of a kind may give. */
const ERRORS: Readonly<Record<string, string>> = {
  400: 'The request is not as described, or its cells cannot be used: `detail` says what is wrong and how to mend it',
  408: 'The request was not here in time',
  413: 'The body is larger than this server takes',
  415: 'The body is of a kind this route does not take',
  429: 'As many requests are under way as this server takes on; Retry-After says when to come again',
  500: 'A failure of the server',
  503: 'The server stops, or the work took longer than a request may take',
};
const FILE_ERRORS = { ...ERRORS, 507: 'The server cannot store the file' };

/** Adds to the description what no schema says: files in and out, and the errors, which are the same everywhere. */
export function describeUploads<T extends Document>(document: T): T {
  for (const path of Object.values((document['paths'] ?? {}) as Record<string, Record<string, Operation>>)) {
    for (const operation of Object.values(path)) {
      const isFile = operation.tags?.includes('files') ?? false;
      if (isFile) {
        operation.requestBody = {
          required: true,
          content: {
            ...Object.fromEntries(UPLOAD_TYPES.map((type) => [type, BINARY])),
            'multipart/form-data': { schema: { type: 'object', properties: { file: { type: 'string', format: 'binary' } }, required: ['file'] } },
          },
        };
        operation.responses = { 200: { description: 'The .h5ad with the results in it', content: { [UPLOAD_TYPES[0]!]: BINARY } } };
      }
      if (!isFile && !operation.tags?.includes('cells')) continue;
      for (const [status, description] of Object.entries(isFile ? FILE_ERRORS : ERRORS))
        operation.responses![status] = { description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
    }
  }
  return document;
}
