import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startTestService } from '../support/service.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const hasCurl = spawnSync('curl', ['--version']).status === 0;
if (!hasCurl) console.warn('curl is not installed: the commands of the README are not run');

/** The commands below a heading. */
function commandsBelow(heading: string): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const block = new RegExp(`\\n## ${heading}\\n[\\s\\S]*?\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(readme);
  if (block === null) throw new Error(`README.md has no commands below "${heading}"`);
  return block[1]!;
}

test.skipIf(!hasCurl)(
  'the commands of the README do what it says',
  async () => {
    const service = await startTestService();
    const cwd = mkdtempSync(join(tmpdir(), 'readme-'));
    symlinkSync(join(ROOT, 'dist'), join(cwd, 'dist'));
    symlinkSync(service.dataDir, join(cwd, 'data'));
    // As printed, but for the port; each answer on a line of its own.
    const commands = `${commandsBelow('The first event')}\n${commandsBelow('The proof')}`.replaceAll(
      'localhost:8080',
      `127.0.0.1:${service.port}`,
    );
    expect(commands).not.toContain('8080');
    // Below "The proof" what is printed are verdicts; the script ends when one of them is not good.
    const script = `set -euo pipefail\ncurl() { command curl --noproxy '*' "$@"; echo; }\n${commands}`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { cwd, timeout: 25_000 });
    expect(stderr).toBe('');
    const answers = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(stdout.match(/^Verdict: valid$/gm)).toHaveLength(3);
    const [registered, first, again, events, entity, wellKnown, ...rest] = answers;
    expect(rest).toEqual([]);
    expect(registered).toMatchObject({ success: true, message: 'Agent key registered successfully' });
    expect(first).toMatchObject({ eventsAccepted: 1, eventsRejected: 0, sequenceStart: 1, headSequence: 1 });
    // "once more: the same receipt, nothing new in the stream"
    expect(again).toMatchObject({
      eventsAccepted: 0,
      eventsRejected: 0,
      headSequence: 1,
      receipts: first.receipts,
    });
    expect(events).toMatchObject({
      count: 1,
      events: [{ envelope: { sequence_number: 1, payload: { total: 42 } } }],
    });
    expect(entity).toMatchObject({ entity_type: 'order', entity_id: 'o-1', count: 1 });
    expect(wellKnown).toMatchObject({ sequencer_id: first.receipts[0].sequencerId });
    expect(await service.stop()).toBe(0);
  },
  60_000,
);
