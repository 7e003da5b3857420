/** Commands, settings and links in the operators' documents are real. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EnvironmentSchema } from '../../engine/config/schema.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCUMENTS = ['runbook', 'security-hardening', 'disaster-recovery', 'slo'].map(
  (name) => `docs/${name}.md`,
);
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const settings = Object.keys(EnvironmentSchema.shape);

const helpTexts = new Map<string, string>();
function help(words: readonly string[]): string {
  const key = words.join(' ');
  if (!helpTexts.has(key)) {
    const args = [join(ROOT, 'dist/cli/main.js'), ...words, '--help'];
    helpTexts.set(key, execFileSync(process.execPath, args, { encoding: 'utf8' }));
  }
  return helpTexts.get(key)!;
}

const hasCommand = (text: string, word: string): boolean => new RegExp(`^  ${word}\\b`, 'm').test(text);

describe.each(DOCUMENTS)('%s', (file) => {
  const text = read(file);

  it('names commands and options that exist', () => {
    for (const [, line] of text.matchAll(
      /stateset-sequencer ((?:admin|fsck|verify|sequencer-key)[^`\n#|]*)/g,
    )) {
      const words = line!.trim().split(/\s+/);
      const path: string[] = [];
      for (const word of words) {
        if (!/^[a-z][a-z-]*$/.test(word) || !help(path).includes('Commands:')) break;
        expect(hasCommand(help(path), word), `${line}: ${word}`).toBe(true);
        path.push(word);
      }
      for (const option of words.filter((word) => word.startsWith('--')))
        expect(help(path), line).toContain(option);
    }
  });

  it('names scripts and files that exist', () => {
    for (const [path] of text.matchAll(/\bdeploy\/[a-z0-9/._-]*[a-z]/g))
      expect(existsSync(join(ROOT, path)), path).toBe(true);
    for (const [, name] of text.matchAll(/embedded\.mjs ([a-z]+) --/g))
      expect(read('deploy/backup/embedded.mjs')).toContain(`\n  ${name}: {`);
  });

  it('names settings that exist', () => {
    const named = [...text.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`/g)].map(([, name]) => name!);
    expect(named.filter((name) => !settings.includes(name) && !/^[A-Z]+_(FAILED|ERROR)$/.test(name))).toEqual(
      [],
    );
  });

  it('links to files and headings that exist', () => {
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const [path, anchor] = target!.split('#') as [string, string?];
      const linked = path === '' ? file : join(dirname(file), path);
      expect(existsSync(join(ROOT, linked)), target).toBe(true);
      if (anchor === undefined) continue;
      const headings = [...read(linked).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^\w\s-]/g, '')
          .replaceAll(' ', '-'),
      );
      expect(headings, target).toContain(anchor);
    }
  });
});
