import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { renderConfigDocs } from '../../engine/config/document.js';
import {
  configWarnings,
  describeConfig,
  formatConfigHelp,
  loadConfig,
  showEnvironment,
} from '../../engine/config/index.js';

const MACHINE = { cpus: 2, memoryBytes: 24 * 1024 ** 3 };
const load = (env: Record<string, string>, machine = MACHINE) => loadConfig(env, machine);
const problemsOf = (env: Record<string, string>): string[] => {
  try {
    load(env);
  } catch (error) {
    return (error as { details: { problems: string[] } }).details.problems;
  }
  return [];
};

describe('configuration', () => {
  test('needs no variable at all', () => {
    const config = load({});
    expect(config).toMatchObject({
      production: false,
      http: { host: '0.0.0.0', port: 8080, requestTimeoutMs: 30_000, bodyTimeoutMs: 10_000 },
      limits: { bodyBytesMax: 10_485_760, batchEventsMax: 1000, payloadBytesMax: 1_048_576 },
      database: { url: undefined, migrateOnStartup: true, connectionsMax: 10 },
      auth: { mode: 'required', bootstrapAdminApiKey: undefined },
      sequencer: { groupEventsMax: 5000, groupBytesMax: 8_388_608, strictFormat: false },
    });
    expect(configWarnings(config)).toEqual([]);
  });

  test('crosses to worker threads unchanged', () => {
    const config = load({ VES_SEQUENCER_SIGNING_KEY: '11'.repeat(32) });
    expect(structuredClone(config)).toEqual(config);
  });

  test('counts empty values as unset and leaves other variables alone', () => {
    expect(load({ PORT: '', LOG_LEVEL: ' ', PG_SOMETHING: 'x', DB_OTHER: 'y', PATH: '/bin' })).toEqual(
      load({}),
    );
  });

  test.each([
    [1, 1],
    [4, 1],
    [5, 1],
    [8, 2],
    [16, 4],
    [32, 8],
    [128, 8],
  ])('on %i processors uses %i partition(s) unless told otherwise', (cpus, partitions) => {
    const { sequencer } = load({}, { ...MACHINE, cpus });
    expect(sequencer).toMatchObject({ verifyThreads: cpus, partitions });
    expect(load({ PARTITIONS: '3', VERIFY_THREADS: '5' }).sequencer).toMatchObject({
      verifyThreads: 5,
      partitions: 3,
    });
  });

  test.each([
    [0.5, 128],
    [4, 614],
    [24, 3686],
    [512, 4096],
  ])('on %d GiB of memory gives the embedded server %i MiB', (gib, mib) => {
    const { database } = load({}, { ...MACHINE, memoryBytes: gib * 1024 ** 3 });
    expect(database.sharedBuffers).toBe(mib * 1024 ** 2);
  });

  test.each([
    ['1', true],
    ['TRUE', true],
    ['on', true],
    ['yes', true],
    ['0', false],
    ['false', false],
    ['Off', false],
    [' no ', false],
  ])('reads the flag %j', (text, expected) => {
    expect(load({ METRICS_PUBLIC: text }).http.metricsPublic).toBe(expected);
  });

  test.each([
    ['1024', 1024],
    ['64kB', 65_536],
    ['8 MB', 8_388_608],
    ['1GiB', 1024 ** 3],
    ['2m', 2_097_152],
  ])('reads the size %j', (text, bytes) => {
    expect(load({ MAX_BODY_SIZE_BYTES: text }).limits.bodyBytesMax).toBe(bytes);
  });

  test.each([
    ['hexadecimal', 'ab'.repeat(32)],
    ['hexadecimal after 0x', `0x${'AB'.repeat(32)}`],
    ['base64', Buffer.alloc(32, 0xab).toString('base64')],
    ['base64url', Buffer.alloc(32, 0xab).toString('base64url')],
  ])('reads a signing key in %s', (_, text) => {
    const key = load({ VES_SEQUENCER_SIGNING_KEY: `${text}\n` }).sequencer.signingKey;
    expect(key).toEqual(new Uint8Array(32).fill(0xab));
  });

  test('knows the connections’ limits, and gives the replica those of the primary unless told otherwise', () => {
    const primary = {
      DB_ACQUIRE_TIMEOUT_MS: '250',
      DB_IDLE_TIMEOUT_SECS: '5',
      DB_MAX_LIFETIME_SECS: '60',
      DB_IDLE_IN_TX_TIMEOUT_MS: '700',
      DB_APPLICATION_NAME: 'ours',
      DATABASE_URL: 'postgres://localhost/x',
      READ_DATABASE_URL: 'postgres://localhost/y',
    };
    const { database } = load(primary);
    expect(database).toMatchObject({
      applicationName: 'ours',
      acquireTimeoutMs: 250,
      session: { idleTimeoutSecs: 5, lifetimeMaxSecs: 60, idleInTransactionTimeoutMs: 700 },
      replica: {
        applicationName: 'ours-read',
        acquireTimeoutMs: 250,
        session: { idleTimeoutSecs: 5, lifetimeMaxSecs: 60 },
      },
    });
    const own = {
      READ_DB_ACQUIRE_TIMEOUT_MS: '0',
      READ_DB_IDLE_TIMEOUT_SECS: '6',
      READ_DB_MAX_LIFETIME_SECS: '0',
    };
    expect(load({ ...primary, ...own }).database.replica).toMatchObject({
      acquireTimeoutMs: 0,
      session: { idleTimeoutSecs: 6, lifetimeMaxSecs: 0 },
    });
  });

  test('takes gRPC to be switched off under either name, not under both', () => {
    expect(load({}).grpc.enabled).toBe(true);
    expect(load({ GRPC_DISABLED: 'true' }).grpc.enabled).toBe(false);
    expect(load({ GRPC_DISABLED: 'false' }).grpc.enabled).toBe(true);
    expect(load({ GRPC_ENABLED: 'false' }).grpc.enabled).toBe(false);
    expect(problemsOf({ GRPC_ENABLED: 'true', GRPC_DISABLED: 'true' })).toEqual([
      'GRPC_DISABLED must not be set together with GRPC_ENABLED',
    ]);
  });

  test('lists every bad setting at once, with what it accepts, and rules between settings too', () => {
    expect(
      problemsOf({
        PORT: '70000',
        HOST: 'not a host',
        LOG_FORMAT: 'xml',
        METRICS_PUBLIC: 'maybe',
        VERIFY_THREADS: '1.5',
        AUTH_MODE: 'disabled',
      }),
    ).toEqual([
      'HOST must be an IP address or a host name, not "not a host"',
      'PORT must be a port number from 0 to 65535, not "70000"',
      'METRICS_PUBLIC must be one of 1, true, on, yes, 0, false, off, no, not "maybe"',
      'VERIFY_THREADS must be a whole number from 1 to 256, not "1.5"',
      'LOG_FORMAT must be text or json, not "xml"',
      'AUTH_MODE may be disabled only together with ALLOW_AUTH_DISABLED=true',
    ]);
  });

  test.each([
    ['PORT', '-1'],
    ['PORT', '0x50'],
    ['PORT', '80 80'],
    ['HOST', '256.1.1.1'],
    ['MAX_BODY_SIZE_BYTES', '10 apples'],
    ['MAX_BODY_SIZE_BYTES', '99999999999999999999'],
    ['VES_SEQUENCER_ID', 'f81d4fae7dec11d0a76500a0c91e6bf6'],
    ['VES_SEQUENCER_SIGNING_KEY', 'ab'.repeat(31)],
    ['BOOTSTRAP_ADMIN_API_KEY', 'has a space'],
    ['DATABASE_URL', 'mysql://localhost/x'],
  ])('refuses %s=%s', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} must be `));
  });

  test('never shows a secret', () => {
    const env = { DATABASE_URL: 'mysql://u:hunter2@h/x', VES_SEQUENCER_SIGNING_KEY: 'hunter2', PORT: '1' };
    expect(problemsOf(env).join()).not.toContain('hunter2');
    expect(showEnvironment(env)).toEqual({
      DATABASE_URL: '***',
      VES_SEQUENCER_SIGNING_KEY: '***',
      PORT: '1',
    });
  });
});

describe('production', () => {
  const production = { SEQUENCER_ENV: 'production' };

  test.each(['', 'local', 'dev', 'development', 'test', 'testing', 'CI', 'staging'])('is not %j', (name) => {
    expect(load({ ENVIRONMENT: name }).production).toBe(false);
  });

  test.each(['production', 'prod', 'live', 'anything else'])('is %j', (name) => {
    expect(load({ ENVIRONMENT: name }).production).toBe(true);
  });

  test('is decided by SEQUENCER_ENV before ENVIRONMENT', () => {
    expect(load({ SEQUENCER_ENV: 'dev', ENVIRONMENT: 'production' }).production).toBe(false);
  });

  test('refuses to disable authentication, even twice asked', () => {
    expect(problemsOf({ ...production, AUTH_MODE: 'disabled', ALLOW_AUTH_DISABLED: 'true' })).toEqual([
      'AUTH_MODE must be required in production (SEQUENCER_ENV or ENVIRONMENT says so)',
    ]);
    const config = load({ AUTH_MODE: 'disabled', ALLOW_AUTH_DISABLED: 'true' });
    expect(configWarnings(config)).toHaveLength(1);
  });

  test('refuses a short bootstrap key, elsewhere it is a warning', () => {
    const short = { BOOTSTRAP_ADMIN_API_KEY: 'dev_admin_key' };
    expect(problemsOf({ ...production, ...short })).toEqual([
      'BOOTSTRAP_ADMIN_API_KEY must have 32 characters or more in production',
    ]);
    expect(configWarnings(load(short))).toHaveLength(1);
    expect(problemsOf({ ...production, BOOTSTRAP_ADMIN_API_KEY: 'k'.repeat(32) })).toEqual([]);
  });
});

describe('description of the settings', () => {
  test('has a text and a default for each', () => {
    const settings = describeConfig();
    expect(settings.length).toBeGreaterThan(30);
    for (const setting of settings) {
      expect(setting.description, setting.name).toMatch(/\.$/);
      expect(setting.default, setting.name).not.toMatch(/undefined|\[object/);
      expect(formatConfigHelp()).toContain(`  ${setting.name}\n`);
    }
  });

  test('is committed in docs/configuration.md (npm run docs)', () => {
    const committed = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(committed).toBe(renderConfigDocs());
  });
});
