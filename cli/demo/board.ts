/** What the demo shows while it runs: a table that redraws itself on a terminal, a line every other second elsewhere. */
import { percentile, type Tally } from './tally.js';

export interface Board {
  /** Shows the present state; call it as often as you like. */
  show(state: string): void;
  /** Shows the last state for good; lines may follow. */
  close(): void;
}

const REDRAW_MS = 250;
const LINE_MS = 2_000;
/** Latencies and rates are those of the last seconds. */
const WINDOW_MS = 3_000;

const number = (value: number): string => Math.round(value).toLocaleString('en-US');
const millis = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

/**
 * @param storeNames store id -> name, in the order of the table
 * @param now milliseconds, monotonic
 */
export function createBoard(
  tally: Tally,
  storeNames: ReadonlyMap<string, string>,
  out: { isTTY?: boolean; write(text: string): unknown },
  now: () => number = () => performance.now(),
): Board {
  const startedAt = now();
  const tty = out.isTTY === true;
  /** Accepted events and number of latencies at earlier instants, oldest first. */
  const past: { at: number; accepted: number; latencies: number }[] = [];
  let shownAt = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let last = '';

  function measure(): { rate: number; p50: number; p99: number } {
    const at = now();
    past.push({ at, accepted: tally.accepted, latencies: tally.latenciesMs.length });
    while (past.length > 2 && past[0]!.at < at - WINDOW_MS) past.shift();
    const from = past[0]!;
    const recent = tally.latenciesMs.slice(from.latencies);
    const seconds = (at - from.at) / 1000;
    return {
      rate: seconds > 0 ? (tally.accepted - from.accepted) / seconds : 0,
      p50: percentile(recent, 50),
      p99: percentile(recent, 99),
    };
  }

  function table(state: string, seconds: number, { rate, p50, p99 }: ReturnType<typeof measure>): string[] {
    const rows: [string, string][] = [
      ['time', `${seconds.toFixed(1)} s   ${state}`],
      ['acknowledged', `${number(tally.accepted)} events   ${number(rate)}/s`],
      ['latency', `p50 ${millis(p50)}   p99 ${millis(p99)}   (per request, retries included)`],
      ['replayed', `${number(tally.replayed)} events sent again got their first receipt`],
      ['refused', `${number(tally.refused)} forged or stale events`],
      ['retries', `${number(tally.retries)} requests sent again after a lost answer`],
      ...[...storeNames].map(([id, name]): [string, string] => [
        name,
        `head ${number(tally.heads.get(id) ?? 0)}`,
      ]),
    ];
    return rows.map(([name, value]) => `  ${name.padEnd(14)}${value}`);
  }

  function line(state: string, seconds: number, { rate, p50, p99 }: ReturnType<typeof measure>): string {
    const heads = [...storeNames].map(([id, name]) => `${name} ${tally.heads.get(id) ?? 0}`).join(', ');
    return (
      `${seconds.toFixed(0).padStart(3)} s  ${state}: ${number(tally.accepted)} events, ${number(rate)}/s, ` +
      `p50 ${millis(p50)}, p99 ${millis(p99)}, ${tally.replayed} replays, ${tally.refused} refused, ` +
      `${tally.retries} retries; heads: ${heads}\n`
    );
  }

  function draw(state: string): void {
    shownAt = now();
    const seconds = (shownAt - startedAt) / 1000;
    const figures = measure();
    if (!tty) {
      out.write(line(state, seconds, figures));
      return;
    }
    const rows = table(state, seconds, figures);
    // Back to the first row, then each row over the old one.
    const back = lines === 0 ? '' : `\x1b[${lines}A`;
    out.write(back + rows.map((row) => `\x1b[2K${row}\n`).join(''));
    lines = rows.length;
  }

  return {
    show(state) {
      const changed = state !== last;
      last = state;
      if (changed || now() - shownAt >= (tty ? REDRAW_MS : LINE_MS)) draw(state);
    },
    close() {
      draw(last);
    },
  };
}
