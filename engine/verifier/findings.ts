/** What checking a piece of evidence found: steps that hold or fail, what could not be judged, and what none of it proves. */

/** One thing that was checked. `detail` says what was found, or why it fails. */
export interface Step {
  readonly what: string;
  readonly ok: boolean;
  readonly detail?: string;
}

/** Grows while evidence is checked. */
export interface Findings {
  readonly steps: Step[];
  /** What the evidence lacks or what was not given, so that it cannot be judged; empty when it can. */
  readonly missing: string[];
  /** What a reader might take for proven and is not. */
  readonly doesNotProve: string[];
}

/** `valid`: every step holds · `invalid`: one fails · `unjudged`: something needed is missing. */
export type Verdict = 'valid' | 'invalid' | 'unjudged';

/** Findings about nothing yet. */
export function createFindings(): Findings {
  return { steps: [], missing: [], doesNotProve: [] };
}

/** Notes a step and returns whether it holds. */
export function check(findings: Findings, what: string, ok: boolean, detail?: string): boolean {
  findings.steps.push(detail === undefined ? { what, ok } : { what, ok, detail });
  return ok;
}

/** Notes that something cannot be read. */
export function malformed(findings: Findings, what: string, problem?: string): undefined {
  check(findings, `the ${what} is well-formed`, false, problem);
}

/** Notes what is missing, once. */
export function missing(findings: Findings, what: string): void {
  if (!findings.missing.includes(what)) findings.missing.push(what);
}

/** Notes what is not proven, once. */
export function unproven(findings: Findings, ...statements: readonly string[]): void {
  for (const each of statements) if (!findings.doesNotProve.includes(each)) findings.doesNotProve.push(each);
}

/** The verdict: failing outweighs missing, and nothing checked is nothing judged. */
export function verdictOf({ steps, missing }: Findings): Verdict {
  if (steps.some(({ ok }) => !ok)) return 'invalid';
  return missing.length > 0 || steps.length === 0 ? 'unjudged' : 'valid';
}
