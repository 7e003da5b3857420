import type { Sql } from '../engine/store/connection.js';
import { openTuples } from '../engine/store/sealed-tuples.js';
import type { CommittedPiece } from '../engine/subscriptions/index.js';

/** Pieces that wait for their keys; what comes on top is told without its rows, and read from the database later. */
const WAITING_MAX = 256;

/**
 * Opens the payloads of rows that were committed in this process, in the order in which they come. Rows that cannot be opened are passed on
 * as a mere hint that the stream has grown: whoever reads them from the database then gets to know why.
 *
 * @param sql the pool with the opener
 */
export function createPieceOpener(
  sql: Sql,
  pass: (piece: CommittedPiece) => void,
  onError: (error: unknown) => void,
): (piece: CommittedPiece) => void {
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;

  async function open(piece: CommittedPiece): Promise<CommittedPiece> {
    const { rows, ...hint } = piece;
    if (rows === undefined) return piece;
    if (waiting > WAITING_MAX) return hint;
    try {
      const stored = Buffer.from(rows.buffer, rows.byteOffset, rows.length);
      return { ...piece, rows: await openTuples(sql, 'ves', stored) };
    } catch (error) {
      onError(error);
      return hint;
    }
  }

  return (piece) => {
    waiting++;
    last = last.then(async () => {
      const opened = await open(piece);
      waiting--;
      pass(opened);
    });
  };
}
