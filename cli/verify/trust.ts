/** Puts together whom to believe, and says how that trust came about. */
import type { Problem } from '../../engine/log/index.js';
import {
  type AgentDirectory,
  checkAgentDirectory,
  createFindings,
  decodeText,
  KIND_NAMES,
  type Report,
  readSequencerKeys,
  type Trust,
  verdictOf,
} from '../../engine/verifier/index.js';
import { type Loaded, load } from './load.js';
import type { ParsedOptions, VerifyOptions } from './options.js';

/** Whom to believe. `reports` are about the documents that say so, `notes` about where they come from. */
export interface Belief {
  readonly trust: Trust;
  readonly reports: readonly Report[];
  readonly notes: readonly string[];
}

/** @param apiKey sent along when the agent's directory is a URL */
export async function establishTrust(
  options: VerifyOptions,
  parsed: ParsedOptions,
  evidenceUrls: readonly URL[],
  nowMicros: bigint,
  apiKey: string | undefined,
): Promise<Belief | Problem> {
  const notes: string[] = [];
  let sequencerKeys: Trust['sequencerKeys'] = parsed.publicKeys.map((publicKey) => ({ publicKey }));
  if (options.keys !== undefined) {
    const document = await loadJson(options.keys);
    if ('problem' in document) return { problem: `--keys ${options.keys}: ${document.problem}` };
    const keys = readSequencerKeys(document.json);
    if ('problem' in keys) return { problem: `--keys ${options.keys}: ${keys.problem}` };
    sequencerKeys = [...keys, ...sequencerKeys];
    notes.push(...provenance(document.url, evidenceUrls));
  }

  const reports: Report[] = [];
  let agentDirectory: AgentDirectory | undefined;
  if (options.agentKeys !== undefined) {
    const document = await loadJson(options.agentKeys, apiKey);
    if ('problem' in document) return { problem: `--agent-keys ${options.agentKeys}: ${document.problem}` };
    const findings = createFindings();
    agentDirectory = checkAgentDirectory(findings, document.json, sequencerKeys, nowMicros);
    const kind = KIND_NAMES['agent-keys'];
    reports.push({ source: options.agentKeys, kind, verdict: verdictOf(findings), ...findings });
  }
  const trust: Trust = {
    sequencerKeys,
    agentKeys: parsed.agentKeys,
    ...(agentDirectory && { agentDirectory }),
    ...(options.origin !== undefined && { origin: options.origin }),
    witnesses: parsed.witnesses,
    quorum: parsed.quorum,
  };
  return { trust, reports, notes };
}

async function loadJson(source: string, apiKey?: string): Promise<(Loaded & { json: unknown }) | Problem> {
  const loaded = await load(source, apiKey);
  if ('problem' in loaded) return loaded;
  try {
    return { ...loaded, json: JSON.parse(decodeText(loaded.bytes) ?? '') };
  } catch {
    return { problem: 'It is not JSON' };
  }
}

/** What the keys of the sequencer are believed for. */
function provenance(url: URL | undefined, evidenceUrls: readonly URL[]): string[] {
  if (url === undefined) return [];
  const notes: string[] = [];
  if (evidenceUrls.some(({ host }) => host === url.host))
    notes.push(
      `The sequencer's keys came from ${url.host}, like the evidence: trust in them was not established independently.`,
    );
  else notes.push(`The sequencer's keys came from ${url.host}: they are believed as far as that host is.`);
  if (url.protocol === 'http:')
    notes.push('They came over an unencrypted connection: anybody on the way could have replaced them.');
  return notes;
}
