import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBase64, encodeBase64 } from '../../engine/log/index.js';

test('base64 gives the vectors of RFC 4648 section 10', () => {
  for (const [text, encoded] of [
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy'],
  ] as const) {
    expect(encodeBase64(Buffer.from(text))).toBe(encoded);
    expect(Buffer.from(decodeBase64(encoded)!).toString()).toBe(text);
  }
});

test('base64 agrees with Node on any bytes, and accepts one text per value only', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      expect(encodeBase64(bytes)).toBe(text);
      expect(decodeBase64(text)).toEqual(bytes);
      expect(decodeBase64(text, bytes.length)).toEqual(bytes);
      expect(decodeBase64(text, bytes.length + 1)).toBeUndefined();
    }),
  );
  for (const bad of [
    'Z',
    'Zg',
    'Zg=',
    'Zh==',
    'Zm9=',
    'Zg==Zg==',
    '=',
    '==',
    '====',
    'Zm9v====',
    'Z===',
    'Zm9v\n',
    ' Zm9v',
  ])
    expect(decodeBase64(bad), bad).toBeUndefined();
  for (const bad of ['-_-_', 'Zm9-', 'Zm9é', 'Zm\n9v']) expect(decodeBase64(bad), bad).toBeUndefined();
});
