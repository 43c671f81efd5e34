import { pino, destination, type Logger } from 'pino';

export type { Logger };

/** Root logger: JSON lines on stderr, so that stdout stays free for `--json`. `SCDIVA_LOG` sets the level (default warn). */
export function createLogger(level = process.env['SCDIVA_LOG'] ?? 'warn'): Logger {
  return pino({ level, base: null }, destination({ fd: 2, sync: true }));
}

/** For library callers that pass none. */
export const silentLogger: Logger = pino({ level: 'silent' });
