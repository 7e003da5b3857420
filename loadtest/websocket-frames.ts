/** Frames of RFC 6455 section 5.2, as far as a client needs them: masked ones out, unmasked ones in. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const FIN = 0x80;
const MASKED = 0x80;
const MASK_BYTES = 4;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * A whole message as one frame of a client. Clients have to mask (section 5.3), so that scripts in browsers cannot choose the bytes on
 * the wire; there are no scripts here, and with the key 0 the masked bytes are the bytes: masking costs nothing.
 */
export function clientFrame(payload: Uint8Array, opcode: number = OPCODE.binary): Buffer {
  const { length } = payload;
  const extended = length < LENGTH_16 ? 0 : length < 0x1_0000 ? 2 : 8;
  const frame = Buffer.alloc(2 + extended + MASK_BYTES + length);
  frame[0] = FIN | opcode;
  frame[1] = MASKED | (extended === 0 ? length : extended === 2 ? LENGTH_16 : LENGTH_64);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + extended + MASK_BYTES);
  return frame;
}

export interface FrameReader {
  /** Takes what arrived; the bytes may be used again afterwards. Frames are given to the handlers before it returns. @throws Error when it is not a server's frames */
  push(bytes: Uint8Array): void;
}

export interface FrameHandlers {
  /** A whole message, put together from its fragments; valid until the handler returns. */
  onMessage(message: Uint8Array): void;
  onPing(payload: Uint8Array): void;
  onClose(code: number, reason: string): void;
}

/** Close code when a close frame has none (section 7.1.5). */
const NO_STATUS = 1005;

/** Frames that arrive whole are not copied; the rest of a chunk and fragments are. */
export function createFrameReader(handlers: FrameHandlers, messageBytesMax: number): FrameReader {
  /** Bytes that the frame at hand takes, once its length is known. */
  let missingAt = 0;
  let fragments: Uint8Array[] = [];
  let fragmentBytes = 0;

  /** Takes the frame at `at`; answers the offset behind it, or -1 when it is not complete. */
  function takeFrame(bytes: Uint8Array, at: number): number {
    missingAt = 0;
    if (bytes.length - at < 2) return -1;
    const first = bytes[at]!;
    let length = bytes[at + 1]!;
    if ((first & 0x70) !== 0) throw new Error('a frame with reserved bits, and no extension was agreed on');
    if ((length & MASKED) !== 0) throw new Error('a masked frame from a server');
    let body = at + 2;
    if (length === LENGTH_16) {
      if (bytes.length - body < 2) return -1;
      length = (bytes[body]! << 8) | bytes[body + 1]!;
      body += 2;
    } else if (length === LENGTH_64) {
      if (bytes.length - body < 8) return -1;
      length = Number(new DataView(bytes.buffer, bytes.byteOffset + body, 8).getBigUint64(0));
      body += 8;
    }
    if (length + fragmentBytes > messageBytesMax)
      throw new Error(`a message of more than ${messageBytesMax} bytes`);
    const end = body + length;
    if (bytes.length < end) {
      missingAt = end - at;
      return -1;
    }
    handle((first & FIN) !== 0, first & 0x0f, bytes.subarray(body, end));
    return end;
  }

  function handle(final: boolean, opcode: number, payload: Uint8Array): void {
    switch (opcode) {
      case OPCODE.ping:
        handlers.onPing(payload);
        break;
      case OPCODE.pong:
        break;
      case OPCODE.close: {
        const code = payload.length < 2 ? NO_STATUS : (payload[0]! << 8) | payload[1]!;
        handlers.onClose(code, Buffer.from(payload.subarray(2)).toString('utf8'));
        break;
      }
      case OPCODE.text:
      case OPCODE.binary:
        if (fragments.length > 0) throw new Error('a new message within another one');
        if (final) handlers.onMessage(payload);
        else keep(payload);
        break;
      case OPCODE.continuation:
        if (fragments.length === 0) throw new Error('a continuation of nothing');
        keep(payload);
        if (final) handleFragments();
        break;
      default:
        throw new Error(`a frame with opcode ${opcode}`);
    }
  }

  function handleFragments(): void {
    const message = Buffer.concat(fragments);
    fragments = [];
    fragmentBytes = 0;
    handlers.onMessage(message);
  }

  function keep(payload: Uint8Array): void {
    fragments.push(new Uint8Array(payload));
    fragmentBytes += payload.length;
  }

  /** Pieces of a frame that is not complete, and how many bytes it takes at least. */
  let pieces: Uint8Array[] = [];
  let piecesBytes = 0;
  let wanted = 0;

  function put(bytes: Uint8Array): void {
    pieces.push(new Uint8Array(bytes));
    piecesBytes += bytes.length;
  }

  return {
    push(arrived) {
      if (piecesBytes + arrived.length < wanted) return put(arrived);
      const bytes = piecesBytes === 0 ? arrived : Buffer.concat([...pieces, arrived]);
      pieces = [];
      piecesBytes = 0;
      let at = 0;
      for (let next = takeFrame(bytes, at); next !== -1; next = takeFrame(bytes, at)) at = next;
      wanted = missingAt;
      if (at < bytes.length) put(bytes.subarray(at));
    },
  };
}
