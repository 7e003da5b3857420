import { describeConfig, type SettingDescription } from './describe.js';

const INTRODUCTION = `# Configuration

<!-- Generated from engine/config/schema.ts by \`npm run docs\`; do not edit. -->

The service is configured by environment variables alone, and starts without any. An empty value counts as unset. A bad
value is an error at start-up, which lists all of them at once; variables that are not in these tables are ignored.
Sizes may be written as \`8388608\`, \`8192kB\` or \`8MB\`; flags as 1, true, on, yes or 0, false, off, no. Secrets (🔑) appear
as \`***\` wherever settings are printed.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

const row = ({ name, description, accepts, default: value, secret }: SettingDescription): string =>
  `| \`${name}\`${secret ? ' 🔑' : ''} | ${cell(value)} | ${cell(description)} ${cell(sentence(accepts))} |`;

const sentence = (accepts: string): string => `Accepts ${accepts}.`;

/** `docs/configuration.md`: every setting by section. */
export const renderConfigDocs = (): string => {
  const parts = [INTRODUCTION];
  const settings = describeConfig();
  for (const section of new Set(settings.map((setting) => setting.section))) {
    const rows = settings.filter((setting) => setting.section === section).map(row);
    parts.push(
      [`## ${section}\n`, '| variable | default | meaning |', '|---|---|---|', ...rows, ''].join('\n'),
    );
  }
  return parts.join('\n');
};
