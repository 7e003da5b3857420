/**
 * One service per data directory. The lock is a file that names its owner by process id and start time, so that a lock
 * left behind by a killed process is recognised although its id may have been given to another process since.
 */

import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceError } from '../errors/index.js';
import { startOf } from './embedded-postgres-processes.js';

type Owner = { readonly pid: number; readonly started: string; readonly token: string };

const FILE = 'service.lock';
const ATTEMPTS_MAX = 20;

/**
 * Takes the lock of a data directory; answers the function that gives it back.
 *
 * @throws ServiceError DATA_DIRECTORY_IN_USE when a running process holds it
 */
export const lockDataDirectory = (directory: string): (() => void) => {
  const path = join(directory, FILE);
  const token = randomUUID();
  const draft = `${path}.${token}`;
  const owner: Owner = { pid: process.pid, started: startOf(process.pid) ?? '', token };
  writeFileSync(draft, JSON.stringify(owner), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (linkOnce(draft, path)) return () => release(path, token);
      const text = readIfThere(path);
      if (text === undefined) continue;
      const holder = parseOwner(text);
      if (holder && isRunning(holder))
        throw new ServiceError(
          'DATA_DIRECTORY_IN_USE',
          `Process ${holder.pid} uses the data directory ${directory} already: stop it, or give this service its own DATA_DIR.`,
        );
      setAside(path, text);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new ServiceError(
    'DATA_DIRECTORY_IN_USE',
    `Other processes are contending for the data directory ${directory}.`,
  );
};

/** A hard link appears at once and with its content, or not at all. */
function linkOnce(source: string, path: string): boolean {
  try {
    linkSync(source, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a stale lock. Two processes may find the same one stale at once; the slower of them would then move the
 * faster one's new lock aside, sees that by the content, and puts it back.
 */
function setAside(path: string, stale: string): void {
  const aside = `${path}.stale-${randomUUID()}`;
  try {
    renameSync(path, aside);
    if (readIfThere(aside) !== stale) linkOnce(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function release(path: string, token: string): void {
  const text = readIfThere(path);
  if (text !== undefined && parseOwner(text)?.token === token) rmSync(path, { force: true });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Owner;
    return Number.isInteger(owner.pid) && typeof owner.started === 'string' ? owner : undefined;
  } catch {
    return undefined;
  }
}

const isRunning = (owner: Owner): boolean => startOf(owner.pid) === owner.started;
