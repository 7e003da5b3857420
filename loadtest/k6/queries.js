// Reads of streams that hold events already (run ingest.js before).
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { headersOf } from './lib/auth.js';
import { optionsFor, readConfig } from './lib/config.js';
import { loadManifest, streamQuery } from './lib/prepared.js';

const config = readConfig(__ENV);
// Called from here, so that paths are relative to this script.
const read = (path) => open(path);
const manifest = loadManifest(read, config.directory);
const PAGE = 100;

export const options = optionsFor(config.profile, 1, {
  'http_req_duration{kind:head}': ['p(95)<200'],
});

export default function queries() {
  const iteration = exec.scenario.iterationInTest;
  const query = streamQuery(manifest, iteration);
  const get = (kind, path, responseType = 'none') => {
    const answer = http.get(config.url + path, {
      headers: headersOf(config.apiKey),
      ...{ responseType, tags: { kind, name: kind } },
    });
    check(answer, { [`${kind} is answered`]: ({ status }) => status === 200 });
    return answer;
  };
  const head = get('head', `/api/v1/ves/head?${query}`, 'text').json('head_sequence') || 0;
  const from = 1 + Math.floor(Math.random() * Math.max(1, head - PAGE));
  const page =
    get('page', `/api/v1/ves/events?${query}&from=${from}&limit=${PAGE}`, 'text').json('events') || [];
  if (page.length === 0) return;
  const { envelope } = page[iteration % page.length];
  get('event', `/api/v1/ves/events/${envelope.event_id}?tenant_id=${manifest.tenantId}`);
  get('entity', `/api/v1/ves/entities/${envelope.entity_type}/${envelope.entity_id}?${query}`);
}
