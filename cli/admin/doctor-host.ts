/** What `doctor` looks at on the machine. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../../engine/config/index.js';
import type { DoctorFinding } from './doctor.js';

const GIB = 1024 ** 3;
const DISK_WARNING_BYTES = 5 * GIB;
const DISK_PROBLEM_BYTES = GIB / 2;
const FILES_MIN = 4096;
const NODE_MIN = [20, 19] as const;
/** Bits of group and others. */
const OTHERS = 0o077;

export async function hostFindings(config: Config, dataDir: string): Promise<DoctorFinding[]> {
  return [
    nodeVersion(),
    await diskSpace(dataDir),
    ...keyFiles(dataDir),
    ...openFiles(),
    await port('HTTP port', config.http.host, config.http.port),
    ...(config.grpc.enabled ? [await port('gRPC port', config.grpc.host, config.grpc.port)] : []),
  ];
}

function nodeVersion(): DoctorFinding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const good = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  const found = process.versions.node;
  return good
    ? { check: 'Node.js', verdict: 'good', found }
    : { check: 'Node.js', verdict: 'problem', found, fix: `Use Node.js ${NODE_MIN.join('.')} or newer.` };
}

async function diskSpace(dataDir: string): Promise<DoctorFinding> {
  const check = 'disk space';
  const place = existing(resolve(dataDir));
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const found = `${(free / GIB).toFixed(1)} GiB free at ${place}`;
  if (free >= DISK_WARNING_BYTES) return { check, verdict: 'good', found };
  const fix = 'Make room or move DATA_DIR: a full disk stops all commits.';
  return { check, verdict: free < DISK_PROBLEM_BYTES ? 'problem' : 'warning', found, fix };
}

const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

/** Files that hold secrets must be their owner's alone. */
function keyFiles(dataDir: string): DoctorFinding[] {
  const check = 'key files';
  const names = existsSync(dataDir) ? readdirSync(dataDir).filter((name) => /\.keys?$/.test(name)) : [];
  if (names.length === 0) return [{ check, verdict: 'good', found: 'none in the data directory' }];
  const open = names.filter((name) => (statSync(join(dataDir, name)).mode & OTHERS) !== 0);
  if (open.length === 0)
    return [{ check, verdict: 'good', found: `${names.join(', ')}: readable by their owner only` }];
  const paths = open.map((name) => join(dataDir, name));
  return [
    {
      check,
      verdict: 'problem',
      found: `others may read ${paths.join(', ')}`,
      fix: `chmod 600 ${paths.join(' ')}`,
    },
  ];
}

/** Linux tells the limits of a process; elsewhere nothing is said. */
function openFiles(): DoctorFinding[] {
  const check = 'open files';
  const limits = readText('/proc/self/limits');
  const text = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  if (text === undefined) return [];
  const limit = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  const found = `at most ${text}`;
  if (limit >= FILES_MIN) return [{ check, verdict: 'good', found }];
  const fix = `ulimit -n ${FILES_MIN} or more (LimitNOFILE of the unit): every connection takes one.`;
  return [{ check, verdict: 'warning', found, fix }];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function port(check: string, host: string, number: number): Promise<DoctorFinding> {
  if (number === 0) return { check, verdict: 'good', found: 'any free one' };
  const error = await tryToListen(host, number);
  if (error === undefined) return { check, verdict: 'good', found: `${number} is free` };
  if (error === 'EADDRINUSE')
    return {
      check,
      verdict: 'warning',
      found: `${number} is taken`,
      fix: 'Fine if the service is running; otherwise choose another PORT or end what listens there.',
    };
  return {
    check,
    verdict: 'problem',
    found: `cannot listen on ${host}:${number} (${error})`,
    fix: 'Choose another HOST or PORT.',
  };
}

const tryToListen = (host: string, number: number): Promise<string | undefined> =>
  new Promise((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen({ host, port: number, exclusive: true }, () => server.close(() => done(undefined)));
  });
