// Commitments of what is stored already (run ingest.js before), and proofs in them.
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { headersOf, jsonHeaders } from './lib/auth.js';
import { optionsFor, readConfig } from './lib/config.js';
import { loadManifest, streamQuery } from './lib/prepared.js';

const config = readConfig(__ENV);
// Called from here, so that paths are relative to this script.
const read = (path) => open(path);
const manifest = loadManifest(read, config.directory);

export const options = optionsFor(config.profile, 0.5);

/** Commits each stream up to its head, so that there is something to prove. Ranges that are committed already are left alone. */
export function setup() {
  const ask = (path) =>
    http.get(config.url + path, { headers: headersOf(config.apiKey), responseType: 'text' }).json();
  return manifest.storeIds.map((storeId, stream) => {
    const query = streamQuery(manifest, stream);
    const { head_sequence: head } = ask(`/api/v1/ves/head?${query}`);
    const { commitments } = ask(`/api/v1/ves/commitments?${query}&anchored=all`);
    const committed = commitments.reduce((most, { sequence_end: end }) => Math.max(most, end), 0);
    if (head > committed)
      http.post(
        `${config.url}/api/v1/ves/commitments`,
        JSON.stringify({
          ...{ tenantId: manifest.tenantId, storeId },
          ...{ sequenceStart: committed + 1, sequenceEnd: head },
        }),
        { headers: jsonHeaders(config.apiKey) },
      );
    return head;
  });
}

export default function commitments(heads) {
  const stream = exec.scenario.iterationInTest % manifest.storeIds.length;
  const head = heads[stream];
  if (head === 0) return;
  const query = streamQuery(manifest, stream);
  const sequence = 1 + Math.floor(Math.random() * head);
  const get = (name, path) => {
    const params = { headers: headersOf(config.apiKey), responseType: 'text', tags: { name } };
    const answer = http.get(config.url + path, params);
    check(answer, { [`${name} is answered`]: ({ status }) => status === 200 });
    return answer;
  };
  const proof = get('proof', `/api/v1/ves/proofs/${sequence}?${query}`);
  if (proof.status === 200) {
    const {
      leaf_hash: leafHash,
      merkle_root: merkleRoot,
      proof_path: proofPath,
      leaf_index: leafIndex,
    } = proof.json();
    const body = JSON.stringify({ leafHash, merkleRoot, proofPath, leafIndex });
    const verified = http.post(`${config.url}/api/v1/ves/proofs/verify`, body, {
      headers: jsonHeaders(config.apiKey),
      ...{ responseType: 'text', tags: { name: 'verify' } },
    });
    check(verified, {
      'the proof is valid': (answer) => answer.status === 200 && answer.json('valid') === true,
    });
  }
  get('list', `/api/v1/ves/commitments?${query}&anchored=all&limit=100`);
  get('log inclusion', `/api/v1/log/inclusion?${query}&sequence_number=${sequence}`);
}
