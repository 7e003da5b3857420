import { FRAME, type Reader, readNil, readStr, readUint } from '../engine/wire/index.js';
import type { Answer, Line, LineOptions } from './line.js';
import { createWebSocketOpener } from './websocket.js';
import { openWireSession } from './wire-session.js';

const CODE_BYTES_MAX = 64;

/** Pushes over a binary WebSocket, many under way at once. The service answers them in their order. */
export async function openWsLine<Tag>(options: LineOptions<Tag>): Promise<Line<Tag>> {
  const waiting: Tag[] = [];
  let next = 0;

  function takeTag(): Tag {
    const tag = waiting[next++]!;
    if (next === waiting.length) {
      waiting.length = 0;
      next = 0;
    }
    return tag;
  }

  const socket = await openWireSession(createWebSocketOpener(), {
    ...{ host: options.host, port: options.port, apiKey: options.apiKey },
    onFrame({ type, id }, reader) {
      if (type === FRAME.result) options.onAnswer(takeTag(), readResult(reader));
      else if (type === FRAME.error && id !== 0) options.onAnswer(takeTag(), readError(reader));
    },
    onClosed: options.onBroken,
  });
  return {
    send(request, tag) {
      waiting.push(tag);
      socket.send(request);
    },
    close: () => socket.close(),
  };
}

/** The figures at the beginning of a result; what follows is not looked at. */
function readResult(reader: Reader): Answer {
  const accepted = readUint(reader, 'accepted');
  readUint(reader, 'rejected');
  readUint(reader, 'replayed');
  const first = readNil(reader) ? 0 : readUint(reader, 'first');
  const last = readNil(reader) ? 0 : readUint(reader, 'last');
  return { code: 'ok', good: true, accepted, first, last, body: reader.bytes };
}

const readError = (reader: Reader): Answer => ({
  code: readStr(reader, 'code', CODE_BYTES_MAX),
  ...{ good: false, accepted: 0, first: 0, last: 0, body: reader.bytes },
});
