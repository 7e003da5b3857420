import { openRawConnection } from './connection.js';
import type { Answer, Line, LineOptions } from './line.js';

/** Where a reply's `eventsAccepted` begins: `{"batchId":"…36…","eventsAccepted":`. */
const ACCEPTED_AT = 67;
const ZERO = 0x30;
const REJECTED = Buffer.from(',"eventsRejected":').length;
const START = Buffer.from(',"sequenceStart":').length;
const END = Buffer.from(',"sequenceEnd":').length;
const OK = 200;
/** Error codes are looked for in the first bytes of an answer. */
const ERROR_BYTES = 300;

/** Reads the figures at the beginning of an ingest reply, whose members have a fixed order, without parsing it. */
export function readIngestAnswer(status: number, body: Buffer): Answer {
  if (status !== OK)
    return { code: errorCode(status, body), good: false, accepted: 0, first: 0, last: 0, body };
  let at = ACCEPTED_AT;
  const number = (): number => {
    let value = 0;
    for (; ; at++) {
      const digit = (body[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return value;
      value = value * 10 + digit;
    }
  };
  const accepted = number();
  at += REJECTED;
  number();
  at += START;
  const first = number(); // `null` reads as 0, and what follows as well
  at += END;
  return { code: '200', good: true, accepted, first, last: first === 0 ? 0 : number(), body };
}

const errorCode = (status: number, body: Buffer): string => {
  const code = /"code":"([A-Z_]+)"/.exec(body.toString('latin1', 0, ERROR_BYTES))?.[1];
  return code === undefined ? String(status) : `${status} ${code}`;
};

/** A keep-alive connection; one request at a time. Requests are whole HTTP/1.1 messages with their credentials. */
export async function openHttpLine<Tag>(options: LineOptions<Tag>): Promise<Line<Tag>> {
  let tag: Tag;
  const { host, port, onBroken } = options;
  const connection = await openRawConnection({
    ...{ host, port, onBroken },
    onAnswer: (status, body) => options.onAnswer(tag, readIngestAnswer(status, body)),
  });
  return {
    send(request, its) {
      tag = its;
      connection.send(request);
    },
    close: () => connection.close(),
  };
}
