// What a client does around an event: stores a batch, looks one of its events up, and asks for the proof of it.
import { check } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';
import { headersOf, jsonHeaders, registerKeys } from './lib/auth.js';
import { optionsFor, readConfig } from './lib/config.js';
import { loadManifest, loadRequests, requestFor } from './lib/prepared.js';

const config = readConfig(__ENV);
// Called from here, so that paths are relative to this script.
const read = (path) => open(path);
const manifest = loadManifest(read, config.directory);
const requests = loadRequests(read, SharedArray, config.directory);

export const options = optionsFor(config.profile, 0.5);

export function setup() {
  registerKeys(http, config, manifest);
}

export default function endpoints() {
  const body = requestFor(requests, exec.scenario.iterationInTest);
  if (body === undefined) exec.test.abort('the prepared requests are used up: prepare more');
  const pushed = http.post(`${config.url}/api/v1/ves/events/ingest`, body, {
    headers: jsonHeaders(config.apiKey),
    responseType: 'text',
  });
  check(pushed, { 'events are accepted': ({ status }) => status === 200 });
  const receipt = pushed.status === 200 ? pushed.json('receipts.0') : undefined;
  if (!receipt) return;

  const get = (name, path, key = config.apiKey) => {
    const answer = http.get(config.url + path, {
      headers: headersOf(key),
      ...{ responseType: 'text', tags: { name } },
    });
    check(answer, { [`${name} is answered`]: ({ status }) => status === 200 });
    return answer;
  };
  const tenant = `tenant_id=${manifest.tenantId}`;
  const found = get('event', `/api/v1/ves/events/${receipt.eventId}?${tenant}`);
  check(found, {
    'the receipt is the same as before': (answer) =>
      answer.json('receipt.sequencerSignature') === receipt.sequencerSignature,
  });
  get('proof', `/api/v1/log/proof/${receipt.eventId}?${tenant}`);
  get('sequencer', '/.well-known/ves-sequencer');
  get('ready', '/ready');
}
