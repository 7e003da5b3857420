import { type Logger, type LoggerOptions, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../engine/config/index.js';

/** Names under which secrets travel in what is logged. */
const SECRET_NAMES = [
  'authorization',
  'Authorization',
  'x-api-key',
  'apiKey',
  'api_key',
  'key',
  'keys',
  'seed',
  'secret',
  'password',
  'passphrase',
  'token',
  'jwt',
  'signingKey',
  'privateKey',
  'bootstrapAdminApiKey',
  'connectionString',
];
/** How deep below a line's own members they are looked for. */
const PREFIXES = ['', '*.', '*.*.', '*.*.*.'];

const redactedPaths = SECRET_NAMES.flatMap((name) =>
  PREFIXES.map((prefix) =>
    name.includes('-') ? `${prefix === '' ? '' : prefix.slice(0, -1)}["${name}"]` : prefix + name,
  ),
);

/**
 * What secrets look like wherever they stand, such as in the text of an error: our API keys, credentials of the HTTP schemes, JSON Web
 * Tokens, passwords in URLs.
 */
const SECRET_TEXT =
  /\bss_[0-9a-f]{8}[A-Za-z0-9_-]{16,}|\b(?:ApiKey|Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}|\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|(?<=:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/g;

/** A text without what looks like a secret. */
export const withoutSecrets = (text: string): string => text.replace(SECRET_TEXT, '***');

/** Settings of every logger of the service. */
export const logOptions = (level: string): LoggerOptions => ({
  level,
  redact: { paths: redactedPaths, censor: '***' },
});

/** The service's log on standard output: one JSON object per line, or lines for people. Secrets show as `***`. */
export function createLog({ format, level }: Config['log']): Logger {
  const out =
    format === 'json'
      ? pino.destination({ fd: 1, sync: true })
      : PinoPretty({
          colorize: process.stdout.isTTY === true,
          ignore: 'pid,hostname',
          translateTime: 'SYS:HH:MM:ss.l',
          sync: true,
        });
  return pino(logOptions(level), { write: (line: string) => void out.write(withoutSecrets(line)) });
}
