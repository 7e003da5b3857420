import type { z } from 'zod';
import { settingMeta } from './load.js';
import { EnvironmentSchema, type SettingMeta } from './schema.js';

/** One setting as the documentation and `--help` show it. */
export type SettingDescription = Omit<SettingMeta, 'defaultText' | 'secret'> & {
  readonly name: string;
  /** Default as text; never a secret. */
  readonly default: string;
  readonly secret: boolean;
};

const defaultOf = (name: string): unknown => {
  const type = (EnvironmentSchema.shape as Record<string, z.ZodType>)[name];
  const parsed = type?.safeParse(undefined);
  return parsed?.success ? parsed.data : undefined;
};

/** Every setting, in the order of the schema. */
export const describeConfig = (): SettingDescription[] =>
  Object.keys(EnvironmentSchema.shape).map((name) => {
    const { defaultText, secret = false, ...meta } = settingMeta(name);
    return { name, ...meta, secret, default: defaultText ?? String(defaultOf(name)) };
  });

/**
 * The settings in force, for the start-up log: variable name -> text, secrets as `***`, unset ones left out.
 */
export const showEnvironment = (
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> => {
  const shown: Record<string, string> = {};
  for (const { name, secret } of describeConfig()) {
    const value = env[name];
    if (value !== undefined && value.trim() !== '') shown[name] = secret ? '***' : value;
  }
  return shown;
};

/** Plain text for `--help`: one paragraph per setting. */
export const formatConfigHelp = (): string =>
  describeConfig()
    .map(
      ({ name, description, accepts, default: value }) =>
        `  ${name}\n      ${description}\n      ${accepts}; default: ${value}`,
    )
    .join('\n');
