import {
  type Item,
  type Report,
  readEvidence,
  readGivenEvents,
  type Trust,
  verifyEvidence,
} from '../../engine/verifier/index.js';
import { sequencer } from './world.js';

const NOW = 1_772_370_000_000_000n;

/** Trusts the sequencer's key and nobody else. */
export const TRUST: Trust = {
  sequencerKeys: [{ version: 0, publicKey: sequencer.publicKey }],
  agentKeys: [],
  witnesses: [],
  quorum: 0,
};

export const bytesOf = (content: unknown): Uint8Array =>
  content instanceof Uint8Array
    ? content
    : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));

/** Reads and verifies evidence as the command does. */
export function verifyAll(
  contents: readonly unknown[],
  options: { trust?: Partial<Trust>; events?: readonly unknown[]; roots?: readonly Uint8Array[] } = {},
): Report[] {
  const items = contents.flatMap((content, i): Item[] => {
    const evidence = readEvidence(bytesOf(content));
    if ('problem' in evidence) throw new Error(evidence.problem);
    return evidence.map((each) => ({ source: `file ${i}`, evidence: each }));
  });
  const events = (options.events ?? []).flatMap((event) => {
    const read = readGivenEvents(bytesOf(event).toString());
    if ('problem' in read) throw new Error(read.problem);
    return read;
  });
  const given = { events, roots: options.roots ?? [], nowMicros: NOW };
  return verifyEvidence(items, given, { ...TRUST, ...options.trust });
}

/** The report on the only piece of evidence. */
export function verifyOne(content: unknown, options?: Parameters<typeof verifyAll>[1]): Report {
  const [report, ...others] = verifyAll([content], options);
  if (report === undefined || others.length > 0) throw new Error('not one report');
  return report;
}

/** What fails, one line each. */
export const failures = ({ steps }: Report): string[] =>
  steps
    .filter(({ ok }) => !ok)
    .map(({ what, detail }) => (detail === undefined ? what : `${what}: ${detail}`));

/** What holds. */
export const holds = ({ steps }: Report): string[] => steps.filter(({ ok }) => ok).map(({ what }) => what);

/** Every way to change one JSON value a little: one character, digit or truth value at a time. */
export function* mutations(value: unknown, path = ''): Generator<{ path: string; changed: unknown }> {
  if (typeof value === 'string') {
    // A hex digit stays one, so that it is the checks that refuse the change and not the reader.
    for (const at of new Set([0, Math.floor(value.length / 2), value.length - 1]))
      if (value.length > 0) yield { path: `${path}[${at}]`, changed: flip(value, at) };
  } else if (typeof value === 'number') yield { path, changed: value + 1 };
  else if (typeof value === 'boolean') yield { path, changed: !value };
  else if (Array.isArray(value)) {
    for (const [i, item] of value.entries())
      for (const each of mutations(item, `${path}/${i}`))
        yield { ...each, changed: value.with(i, each.changed) };
    if (value.length > 0) yield { path: `${path}/-`, changed: value.slice(1) };
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      for (const each of mutations(item, `${path}/${name}`))
        yield { ...each, changed: { ...value, [name]: each.changed } };
      const { [name]: _, ...rest } = value as Record<string, unknown>;
      yield { path: `${path}/-${name}`, changed: rest };
    }
  }
}

function flip(text: string, at: number): string {
  const char = text[at]!;
  const other = /[0-9a-f]/.test(char) ? ((Number.parseInt(char, 16) ^ 1).toString(16) as string) : '~';
  return text.slice(0, at) + other + text.slice(at + 1);
}
