import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { OutputError, ScDivaError } from '../errors.js';
import type { Problem } from './schemas.js';

/** An answer that is not the one asked for. */
export class HttpProblem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly more: { readonly retryAfterSeconds?: number; readonly closes?: boolean } = {},
  ) {
    super(message);
  }
}

/** A problem as RFC 9457 has it. */
export function problem(status: number, detail: string, more: Pick<Problem, 'field' | 'expected' | 'hint'> = {}): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: detail.replace(/\s*\n\s*/g, ' '), ...more };
}

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  // Serialised here: a route names a schema only for the answers it gives itself.
  return reply
    .code(body.status)
    .type('application/problem+json')
    .serializer((value) => JSON.stringify(value))
    .send(body);
}

/** Whatever was thrown, as an answer: the caller's mistakes in one line with the mend, failures of ours without what is inside. */
export function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof HttpProblem) {
    if (error.more.retryAfterSeconds !== undefined) void reply.header('retry-after', error.more.retryAfterSeconds);
    if (error.more.closes) void reply.header('connection', 'close');
    return sendProblem(reply, problem(error.status, error.message));
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const { instancePath, message } = error.validation[0]!;
    const field = [error.validationContext, ...instancePath.split('/').filter(Boolean)]
      .filter((part) => part !== 'body')
      .join('.')
      .replace(/\.(\d+)(?=\.|$)/g, '[$1]');
    return sendProblem(
      reply,
      problem(400, `${field || 'request'}: ${message ?? 'is not as expected'} (GET /openapi.json says what is)`, { field: field || 'request' }),
    );
  }
  if (error instanceof ScDivaError && error.exitCode === 2) {
    const { key, expected, hint } = error.facts;
    const detail = request.forgetPaths?.(error.message) ?? error.message;
    if (error instanceof OutputError) {
      request.log.error(error, 'cannot write');
      return sendProblem(reply, problem(507, 'the server cannot store the file: its disk is full or not writable'));
    }
    return sendProblem(reply, problem(400, detail, { ...(key && { field: key }), ...(expected && { expected }), ...(hint && { hint }) }));
  }
  const status = error.statusCode ?? 500;
  if (status < 500) return sendProblem(reply, problem(status, error.message));
  request.log.error(error, 'request failed');
  return sendProblem(reply, problem(500, `a failure of the server's own; its log tells more under reqId ${request.id}`));
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Puts the name of the upload in place of where the server keeps it. */
    forgetPaths?: (text: string) => string;
  }
}
