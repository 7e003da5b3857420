import { FRAME_ID_MAX } from './frame-types.js';
import { type Reader, readArray, readUint } from './msgpack-reader.js';

/** What every frame begins with. `reader` stands behind it. */
export interface FrameHead {
  readonly type: number;
  readonly id: number;
  /** Elements of the frame, with type and id. */
  readonly items: number;
}

/** Elements no frame has more of. */
const FRAME_ITEMS_MAX = 32;
const FRAME_TYPE_MAX = 127;

/** Reads type and id. @throws WireError */
export function readHead(reader: Reader): FrameHead {
  const items = readArray(reader, 'the frame', FRAME_ITEMS_MAX);
  const type = readUint(reader, 'the frame’s type', FRAME_TYPE_MAX);
  const id = readUint(reader, 'the frame’s id', FRAME_ID_MAX);
  return { type, id, items };
}
