import { type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../engine/config/index.js';

/** The service's log on standard output: one JSON object per line, or lines for people. */
export function createLog({ format, level }: Config['log']): Logger {
  const options = {
    level,
    redact: { paths: ['authorization', 'apiKey', '*.authorization', '*.apiKey'], censor: '***' },
  };
  if (format === 'json') return pino(options);
  return pino(
    options,
    PinoPretty({
      colorize: process.stdout.isTTY === true,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss.l',
      sync: true,
    }),
  );
}
