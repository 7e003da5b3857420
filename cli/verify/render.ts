/** Reports for people and for programs. */
import type { Report, Verdict } from '../../engine/verifier/index.js';

/** What a run found. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly reports: readonly Report[];
  readonly notes: readonly string[];
}

/** Exit codes. */
export const EXIT: Readonly<Record<Verdict, number>> = { valid: 0, invalid: 1, unjudged: 2 };

const VERDICTS: Readonly<Record<Verdict, string>> = {
  valid: 'valid',
  invalid: 'NOT VALID',
  unjudged: 'could not be judged',
};

/** One invalid piece makes all of it invalid; one that could not be judged keeps it from being valid. */
export function overall(reports: readonly Report[]): Verdict {
  if (reports.some(({ verdict }) => verdict === 'invalid')) return 'invalid';
  return reports.length > 0 && reports.every(({ verdict }) => verdict === 'valid') ? 'valid' : 'unjudged';
}

export function renderJson(outcome: Outcome): string {
  return `${JSON.stringify(outcome, undefined, 2)}\n`;
}

export function renderText({ verdict, reports, notes }: Outcome): string {
  const lines = reports.flatMap((report) => renderReport(report, reports.length > 1));
  for (const note of notes) lines.push(`Note: ${note}`);
  lines.push(`${reports.length > 1 ? 'Everything together' : 'Verdict'}: ${VERDICTS[verdict]}`);
  return `${lines.map(printable).join('\n')}\n`;
}

function renderReport(
  { source, kind, verdict, steps, missing, doesNotProve }: Report,
  oneOfSeveral: boolean,
): string[] {
  const lines = [`${source}: ${kind}`];
  for (const { what, ok, detail } of steps)
    lines.push(`  ${ok ? '✓' : '✗'} ${what}${detail === undefined ? '' : ` (${detail})`}`);
  for (const what of missing) lines.push(`  ? ${what}`);
  if (doesNotProve.length > 0) {
    lines.push('  What this does not prove:');
    lines.push(...doesNotProve.map((statement) => `  - ${statement}`));
  }
  if (oneOfSeveral) lines.push(`  Verdict: ${VERDICTS[verdict]}`);
  lines.push('');
  return lines;
}

/** Evidence comes from strangers: nothing of it may steer a terminal or turn the direction of the text. */
function printable(line: string): string {
  return line.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
}
