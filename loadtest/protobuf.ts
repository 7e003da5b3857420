/** The few bytes of Protocol Buffers that a push consists of (https://protobuf.dev/programming-guides/encoding). */

const VARINT = 0;
const BYTES = 2;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  bytes.push(left);
  return bytes;
}

/** A field with a number; nothing for 0, which is the default. */
export const numberField = (field: number, value: number): Buffer =>
  value === 0 ? Buffer.alloc(0) : Buffer.from([...varint((field << 3) | VARINT), ...varint(value)]);

/** A field with bytes, a text or a message. */
export function bytesField(field: number, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([Buffer.from([...varint((field << 3) | BYTES), ...varint(bytes.length)]), bytes]);
}

/** The numbers of a message by field; fields of other kinds are passed over. @throws RangeError when it ends within a field */
export function readNumbers(message: Uint8Array): Map<number, number> {
  const numbers = new Map<number, number>();
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('the message ends within a field');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  /** Bytes of each kind of field that is passed over. */
  const skip: Record<number, () => number> = { 1: () => 8, 2: next, 5: () => 4 };
  while (at < message.length) {
    const tag = next();
    if ((tag & 7) === VARINT) {
      numbers.set(tag >>> 3, next());
    } else {
      const length = (skip[tag & 7] ?? (() => message.length))();
      at += length;
    }
  }
  return numbers;
}
