import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import { urlOf } from '../support/service.js';

export const ADMIN = fileURLToPath(new URL('../../dist/cli/admin.js', import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of every shape
  readonly json: any;
}

/** Runs the compiled program to its end. */
export function admin(
  args: readonly string[],
  { database, env = {} }: { database?: DatabaseTarget; env?: NodeJS.ProcessEnv } = {},
): Promise<Run> {
  const base = { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR };
  const place = database === undefined ? {} : { DATABASE_URL: urlOf(database) };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [ADMIN, ...args],
      { env: { ...base, ...place, ...env } },
      (_, out, err) => {
        const json = out.startsWith('{') && !out.startsWith('{"record') ? JSON.parse(out) : undefined;
        resolve({ code: child.exitCode, out, err, json });
      },
    );
    child.stdin?.end();
  });
}
