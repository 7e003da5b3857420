import type { Operations } from '../operation.js';
import { AGENTS } from './agents.js';
import { COMMITMENTS } from './commitments.js';
import { CONSUMERS } from './consumers.js';
import { EVENTS } from './events.js';
import { INGEST } from './ingest.js';
import { KEYS } from './keys.js';
import { LIMITS } from './limits.js';
import { LOG } from './log.js';
import { SERVICE } from './service.js';

/** Every operation of the interface. */
export const OPERATIONS: Operations = {
  ...INGEST,
  ...EVENTS,
  ...CONSUMERS,
  ...LOG,
  ...COMMITMENTS,
  ...KEYS,
  ...AGENTS,
  ...SERVICE,
  ...LIMITS,
};
