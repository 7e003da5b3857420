import { setFlagsFromString } from 'node:v8';

/** How far a heap may grow beyond what was alive after the last full collection, in percent of it. */
const HEAP_GROWING_PERCENT = 200;

/**
 * Lets the heaps of this process and of threads started later grow further before they are collected in full. Request bodies and COPY
 * data pass through every thread's buffers, which count towards its heap's limit: small heaps were collected three times
 * a second for them, at a tenth of an event's cost. Costs about a hundred megabytes (ADR 36).
 */
export function tuneHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
