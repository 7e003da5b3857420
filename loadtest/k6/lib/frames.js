// As much of the binary frames as a follower of a stream has to know. Pure.

export const FRAME = { welcome: 33, error: 35, subscribed: 36, events: 37, caughtUp: 39, ended: 40 };

export function bytesOf(hex) {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes.buffer;
}

/** Reads an unsigned MessagePack integer; answers it and the offset behind it. */
function readUint(view, at) {
  const tag = view.getUint8(at);
  if (tag < 0x80) return [tag, at + 1];
  if (tag === 0xcc) return [view.getUint8(at + 1), at + 2];
  if (tag === 0xcd) return [view.getUint16(at + 1), at + 3];
  if (tag === 0xce) return [view.getUint32(at + 1), at + 5];
  if (tag === 0xcf) return [view.getUint32(at + 1) * 0x1_0000_0000 + view.getUint32(at + 5), at + 9];
  throw new Error(`byte ${tag.toString(16)} does not begin a whole number`);
}

/** Type and id of a frame; of events also the numbers it covers. */
export function readFrame(buffer) {
  const view = new DataView(buffer);
  // All frames have fewer than 16 elements.
  const [type, idAt] = readUint(view, 1);
  const [id, bodyAt] = readUint(view, idAt);
  if (type !== FRAME.events) return { type, id };
  const [first, lastAt] = readUint(view, bodyAt);
  const [last, headAt] = readUint(view, lastAt);
  const [head] = readUint(view, headAt);
  return { type, id, first, last, head };
}
