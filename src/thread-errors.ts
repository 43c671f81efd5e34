import { DataError, OutputError, ScDivaError, type ErrorFacts } from './errors.js';

/** An error on its way from a thread: an error object would lose its class and its facts. */
export type PlainError = { readonly name: string; readonly facts: ErrorFacts } | { readonly stack: string };

export function describeError(error: unknown): PlainError {
  if (error instanceof ScDivaError) return { name: error.name, facts: { ...error.facts, cause: undefined } };
  return { stack: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** The error as it was thrown: of the user's making, with the same line; anything else with the thread's stack. */
export function revivedError(error: PlainError): Error {
  if ('stack' in error) return new Error(`in a thread: ${error.stack}`);
  return error.name === 'OutputError' ? new OutputError(error.facts) : new DataError(error.facts);
}
