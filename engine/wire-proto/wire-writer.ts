/** Protocol Buffers' wire format, written field by field. Fields that have their default value are left out, as proto3 wants it. */
export interface WireWriter {
  uint(field: number, value: number): void;
  text(field: number, value: string): void;
  bytes(field: number, value: Uint8Array): void;
  /** A message within: what `write` writes, also when that is nothing. */
  message(field: number, write: (writer: WireWriter) => void): void;
  /** Bytes that are fields already. */
  raw(fields: Uint8Array): void;
  finish(): Buffer;
}

/** Makes a writer for one message. */
export function createWireWriter(): WireWriter {
  const parts: Buffer[] = [];
  const push = (field: number, value: Uint8Array) => {
    parts.push(varint((field << 3) | 2), varint(value.length), asBuffer(value));
  };
  const writer: WireWriter = {
    uint(field, value) {
      if (value !== 0) parts.push(varint(field << 3), varint(value));
    },
    text(field, value) {
      if (value !== '') push(field, Buffer.from(value, 'utf8'));
    },
    bytes(field, value) {
      if (value.length > 0) push(field, value);
    },
    message(field, write) {
      const inner = createWireWriter();
      write(inner);
      push(field, inner.finish());
    },
    raw: (fields) => void parts.push(asBuffer(fields)),
    finish: () => Buffer.concat(parts),
  };
  return writer;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
