import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../engine/config/index.js';
import { configuredMasterKeys } from '../../engine/vault/index.js';
import { encryption, masterKey } from './support.js';

const TENANT = '00000000-0000-4000-8000-00000000000a';
const NAME = TENANT.replaceAll('-', '');

describe('settings', () => {
  test('are off unless switched on, and every spelling of a mode is understood', () => {
    expect(encryption({}).mode).toBe('disabled');
    const key = { PAYLOAD_ENCRYPTION_KEY: masterKey('a') };
    for (const [word, mode] of [
      ...['off', 'false', '0', 'DISABLED'].map((word) => [word, 'disabled']),
      ...['on', 'true', '1', 'Required'].map((word) => [word, 'required']),
      ['optional', 'optional'],
    ])
      expect(encryption({ PAYLOAD_ENCRYPTION_MODE: word!, ...key }).mode).toBe(mode);
    expect(() => encryption({ PAYLOAD_ENCRYPTION_MODE: 'sometimes' })).toThrow(
      'disabled, optional or required',
    );
  });

  test('refuse a mode without keys, a file beside keys, and anything that is no key', () => {
    for (const mode of ['optional', 'required'])
      expect(() => encryption({ PAYLOAD_ENCRYPTION_MODE: mode })).toThrow('only with a key');
    expect(() =>
      encryption({ PAYLOAD_ENCRYPTION_KEY_FILE: 'x', PAYLOAD_ENCRYPTION_KEY: masterKey('a') }),
    ).toThrow('together');
    for (const text of [
      '[]',
      '{',
      `{"${TENANT}":[]}`,
      `{"${TENANT}":["ab"]}`,
      `{"a":["${masterKey('a')}"]}`,
    ]) {
      const message = (() => {
        try {
          encryption({ PAYLOAD_ENCRYPTION_KEYS_BY_TENANT: text });
          return 'accepted';
        } catch (error) {
          return (error as Error).message;
        }
      })();
      expect(message).toContain('PAYLOAD_ENCRYPTION_KEYS_BY_TENANT must be');
      expect(message).not.toContain(masterKey('a'));
    }
  });
});

describe('master keys', () => {
  const context = Buffer.from('context');
  const ofKeys = (...keys: string[]) =>
    configuredMasterKeys(encryption({ PAYLOAD_ENCRYPTION_KEYS: keys.map(masterKey).join() }));

  test('wrap with the first and unwrap with any', async () => {
    const wrapped = await ofKeys('a').wrap(NAME, Buffer.alloc(32, 7), context);
    const both = ofKeys('b', 'a');
    expect(both.current(NAME)).not.toBe(wrapped.masterKey);
    expect(Buffer.from(await both.unwrap(NAME, wrapped, context)).equals(Buffer.alloc(32, 7))).toBe(true);
    await expect(ofKeys('b').unwrap(NAME, wrapped, context)).rejects.toMatchObject({
      code: 'ENCRYPTION_ERROR',
    });
    await expect(both.unwrap(NAME, wrapped, Buffer.from('other'))).rejects.toThrow('changed');
    wrapped.bytes[20]! ^= 1;
    await expect(both.unwrap(NAME, wrapped, context)).rejects.toThrow('changed');
  });

  test('of a tenant are used instead of the common ones', async () => {
    const masters = configuredMasterKeys(
      encryption({
        PAYLOAD_ENCRYPTION_KEY: masterKey('common'),
        PAYLOAD_ENCRYPTION_KEYS_BY_TENANT: JSON.stringify({ [TENANT.toUpperCase()]: [masterKey('own')] }),
      }),
    );
    expect(masters.current(NAME)).toBe(ofKeys('own').current(NAME));
    expect(masters.current('0'.repeat(32))).toBe(ofKeys('common').current(NAME));
    const before = await ofKeys('common').wrap(NAME, Buffer.alloc(32), context);
    await masters.unwrap(NAME, before, context);
  });

  test('come from a file, one per line', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'keys-')), 'keys');
    writeFileSync(
      path,
      `# current\n${masterKey('b')}\n\n${Buffer.from(masterKey('a'), 'hex').toString('base64')}\n`,
    );
    const config = loadConfig({ PAYLOAD_ENCRYPTION_MODE: 'required', PAYLOAD_ENCRYPTION_KEY_FILE: path });
    const masters = configuredMasterKeys(config.encryption);
    expect(masters.current(NAME)).toBe(ofKeys('b').current(NAME));
    expect(masters.ring(NAME)).toHaveLength(2);
    writeFileSync(path, 'short\n');
    expect(() => configuredMasterKeys(config.encryption)).toThrow('32 bytes');
    expect(() => configuredMasterKeys({ ...config.encryption, keyFile: '/nowhere' })).toThrow(
      'cannot be read',
    );
  });
});
