import { z } from 'zod';

/** How a server listens, and what it takes on. */
export const ServerConfig = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('address to listen on; 0.0.0.0 = every network this machine is in'),
  port: z.int().min(0).max(65_535).default(8080).describe('0 = any that is free'),
  maxRequests: z.int().positive().default(64).describe('JSON requests taken on at once; more are answered 429'),
  maxFiles: z.int().positive().default(2).describe('uploaded files worked on at once; more are answered 429'),
  maxBodyBytes: z
    .int()
    .positive()
    .default(64 * 2 ** 20)
    .describe('of a JSON request; larger ones are answered 413'),
  maxUploadBytes: z
    .int()
    .positive()
    .default(4 * 2 ** 30)
    .describe('of an uploaded file; larger ones are answered 413'),
  timeoutMs: z.int().positive().default(60_000).describe('for a JSON request from its first byte to the answer, else 408 or 503'),
  fileTimeoutMs: z.int().positive().default(3_600_000).describe('the same for an uploaded file'),
  graceMs: z.int().min(0).default(30_000).describe('for what is under way when the server is told to stop'),
  batchSize: z.int().positive().max(1024).default(32).describe('most cells computed at once, of however many requests'),
  batchDelayMs: z.number().min(0).max(1000).default(2).describe('longest that cells wait for others while nothing is computed'),
});
export type ServerConfig = z.infer<typeof ServerConfig>;
