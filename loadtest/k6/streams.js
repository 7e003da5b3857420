// Followers of streams over the binary WebSocket, from the first event on. Write meanwhile with ingest.js, with files of its own.
import { check } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import ws from 'k6/ws';
import { headersOf } from './lib/auth.js';
import { optionsFor, readConfig } from './lib/config.js';
import { bytesOf, FRAME, readFrame } from './lib/frames.js';
import { loadManifest } from './lib/prepared.js';

const config = readConfig(__ENV);
// Called from here, so that paths are relative to this script.
const read = (path) => open(path);
const manifest = loadManifest(read, config.directory);
const delivered = new Counter('events_delivered');
/** Each follower stays this long. */
const FOLLOW_MS = Number(__ENV.FOLLOW_MS || 5000);

// There are no HTTP requests to judge, but the upgrades.
const { http_req_failed: _, http_req_duration: __, ...thresholds } = optionsFor(config.profile).thresholds;

export const options = {
  ...optionsFor(config.profile, 4),
  thresholds: { ...thresholds, ws_connecting: ['p(95)<1000'] },
};

export default function follow() {
  const { webSocket, storeIds } = manifest;
  const stream = exec.scenario.iterationInTest % storeIds.length;
  const url = config.url.replace(/^http/, 'ws') + webSocket.path;
  const headers = { ...headersOf(config.apiKey), 'Sec-WebSocket-Protocol': webSocket.subprotocol };
  let cursor = 0;
  let credits = webSocket.credits;
  let inOrder = true;
  let caughtUp = false;
  let refused = false;
  const answer = ws.connect(url, { headers }, (socket) => {
    socket.on('open', () => socket.sendBinary(bytesOf(webSocket.hello)));
    socket.on('binaryMessage', (message) => {
      const frame = readFrame(message);
      if (frame.type === FRAME.welcome) socket.sendBinary(bytesOf(webSocket.subscribe[stream]));
      if (frame.type === FRAME.caughtUp) caughtUp = true;
      if (frame.type === FRAME.error || frame.type === FRAME.ended) refused = true;
      if (frame.type !== FRAME.events) return;
      inOrder = inOrder && frame.first === cursor + 1;
      const events = frame.last - frame.first + 1;
      cursor = frame.last;
      credits -= events;
      delivered.add(events);
      if (credits > webSocket.credits / 2) return;
      credits += webSocket.credits / 2;
      socket.sendBinary(bytesOf(webSocket.grantHalf));
    });
    socket.setTimeout(() => socket.close(), FOLLOW_MS);
  });
  check(answer, {
    'the service speaks WebSocket': (upgrade) => upgrade && upgrade.status === 101,
    'events come in order, each once': () => inOrder,
    'everything that is stored arrives': () => caughtUp,
    'nothing is refused': () => !refused,
  });
}
