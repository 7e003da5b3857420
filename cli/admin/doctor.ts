/** `doctor`: looks for what keeps a service from running well, and says how to put it right. */
import type { Command } from 'commander';
import { type Config, configWarnings, loadConfig } from '../../engine/config/index.js';
import { toServiceError } from '../../engine/errors/index.js';
import { type CommonOptions, databaseCommand, EXIT, type Outcome, onDatabase, run } from './command.js';
import { databaseFindings } from './doctor-database.js';
import { hostFindings } from './doctor-host.js';

/** What one check found. */
export interface DoctorFinding {
  readonly check: string;
  /** `problem`: promises are broken or the service will not run; `warning`: it runs worse than it could. */
  readonly verdict: 'good' | 'warning' | 'problem';
  readonly found: string;
  /** How to put it right; unset when it is good. */
  readonly fix?: string;
}

export const doctorCommand = (): Command =>
  databaseCommand(
    'doctor',
    'check configuration, database and machine; exit code 1 when there is a problem',
  ).action((options: CommonOptions) => run(options, () => examine(options)));

async function examine(options: CommonOptions): Promise<Outcome> {
  const findings: DoctorFinding[] = [];
  const config = readConfig(findings);
  if (config !== undefined) {
    findings.push(...(await databaseSection(options)));
    findings.push(...(await hostFindings(config, options.dataDir ?? config.database.dataDir)));
  }
  const problems = findings.filter(({ verdict }) => verdict === 'problem').length;
  const warnings = findings.filter(({ verdict }) => verdict === 'warning').length;
  return {
    lines: [
      `${findings.length} checks, ${problems} problems, ${warnings} warnings`,
      ...findings.flatMap(({ check, verdict, found, fix }) => [
        `${MARKS[verdict]} ${check}: ${found}`,
        ...(fix === undefined ? [] : [`    ${fix}`]),
      ]),
    ],
    json: { problems, warnings, findings },
    ...(problems > 0 ? { exitCode: EXIT.no } : {}),
  };
}

const MARKS: Record<DoctorFinding['verdict'], string> = { good: '✓', warning: '!', problem: '✗' };

function readConfig(findings: DoctorFinding[]): Config | undefined {
  try {
    const config = loadConfig();
    const warnings = configWarnings(config);
    if (warnings.length === 0) findings.push({ check: 'configuration', verdict: 'good', found: 'valid' });
    for (const warning of warnings)
      findings.push({
        check: 'configuration',
        verdict: 'warning',
        found: warning,
        fix: 'See docs/configuration.md.',
      });
    return config;
  } catch (error) {
    findings.push({
      check: 'configuration',
      verdict: 'problem',
      found: toServiceError(error).message,
      fix: 'Correct the environment variables; docs/configuration.md lists what each accepts.',
    });
    return undefined;
  }
}

async function databaseSection(options: CommonOptions): Promise<DoctorFinding[]> {
  try {
    return await onDatabase(options, databaseFindings, { anySchema: true });
  } catch (error) {
    const { message, cause } = toServiceError(error);
    const why = cause instanceof Error ? cause.message : error instanceof Error ? error.message : message;
    return [
      {
        check: 'database',
        verdict: 'problem',
        found: `cannot be opened: ${why}`,
        fix: 'Check DATABASE_URL, or start the service once so that it makes the embedded database.',
      },
    ];
  }
}
