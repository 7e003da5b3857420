import { openGrpcLine } from './grpc-line.js';
import { openHttpLine } from './http-line.js';
import type { OpenLine, Protocol } from './line.js';
import { openWsLine } from './ws-line.js';

/** How lines are opened, by protocol. */
export const LINES: Readonly<Record<Protocol, OpenLine>> = {
  http: openHttpLine,
  ws: openWsLine,
  grpc: openGrpcLine,
};
