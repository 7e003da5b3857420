// Signed events in. k6 run -e PROFILE=sustained -e ADMIN_API_KEY=… loadtest/k6/ingest.js
import { check } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import { jsonHeaders, registerKeys } from './lib/auth.js';
import { optionsFor, readConfig } from './lib/config.js';
import { loadManifest, loadRequests, requestFor } from './lib/prepared.js';

const config = readConfig(__ENV);
// Called from here, so that paths are relative to this script.
const read = (path) => open(path);
const manifest = loadManifest(read, config.directory);
const requests = loadRequests(read, SharedArray, config.directory);
const accepted = new Counter('events_accepted');

export const options = optionsFor(config.profile);

export function setup() {
  registerKeys(http, config, manifest);
}

export default function ingest() {
  const body = requestFor(requests, exec.scenario.iterationInTest);
  if (body === undefined) exec.test.abort('the prepared requests are used up: prepare more');
  const answer = http.post(`${config.url}/api/v1/ves/events/ingest?receipt=group`, body, {
    headers: jsonHeaders(config.apiKey),
    responseType: 'text',
  });
  const good = check(answer, {
    'all events accepted': ({ status, body: text }) =>
      status === 200 && text.includes(`"eventsAccepted":${manifest.batch},`),
  });
  if (good) accepted.add(manifest.batch);
}
