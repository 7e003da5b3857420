import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { ClientAddressReader } from '../../engine/access/index.js';
import { definitionOf, errorBody, ServiceError, toServiceError } from '../../engine/errors/index.js';
import { SUBPROTOCOL } from '../../engine/wire/index.js';
import type { Authenticator } from '../auth/authenticate.js';
import type { AuthContext } from '../auth/context.js';
import { peerAddress } from '../http/exchange.js';
import { challenge } from '../http/reply.js';
import { readHead } from '../http/request.js';
import type { Visitor } from './connection.js';

export interface UpgradeOptions {
  readonly authenticate: Authenticator['authenticate'];
  readonly clientAddress: ClientAddressReader;
  /** Why no connection is taken now, if so. */
  refuse(): ServiceError | undefined;
  onRefused(): void;
}

/**
 * Lanes of the ingest pipeline: HTTP counts its requests from 0 and gRPC its sessions from 2^40, so connections have numbers that
 * neither reaches.
 */
const LANE_BASE = 2 ** 41;

/** The upgrade handler: subprotocol, limits, credentials if the headers have any (browsers send them in `hello`). */
export function createUpgrade({ authenticate, clientAddress, refuse, onRefused }: UpgradeOptions) {
  let lane = LANE_BASE;

  return (res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void => {
    // Everything is copied: the request is gone when this function returns, and so may the client be after a lookup.
    const { authorization, apiKey, traceparent, requestId, proxied } = readHead(req);
    const address = clientAddress(peerAddress(res), proxied);
    const key = req.getHeader('sec-websocket-key');
    const protocols = req.getHeader('sec-websocket-protocol');
    const extensions = req.getHeader('sec-websocket-extensions');
    let aborted = false;
    res.onAborted(() => {
      aborted = true;
    });

    const answer = (thrown: unknown): void => {
      onRefused();
      if (aborted) return;
      const error = toServiceError(thrown);
      const { http } = definitionOf(error);
      res.cork(() => {
        res.writeStatus(`${http} ${STATUS_CODES[http] ?? ''}`);
        res.writeHeader('content-type', 'application/json').writeHeader('x-error-code', error.code);
        res.writeHeader('x-request-id', requestId);
        if (http === 401) res.writeHeader('www-authenticate', challenge(error.code));
        if (error.retryAfter !== undefined) res.writeHeader('retry-after', String(error.retryAfter));
        res.end(JSON.stringify(errorBody(error, requestId)));
      });
    };
    const take = (auth: AuthContext | undefined): void => {
      if (aborted) return;
      const refusal = refuse();
      if (refusal !== undefined) {
        answer(refusal);
        return;
      }
      const visitor: Visitor = {
        sessionId: randomUUID(),
        lane: ++lane,
        authorization,
        apiKey,
        address,
        traceparent,
        auth,
      };
      res.cork(() => res.upgrade(visitor, key, SUBPROTOCOL, extensions, context));
    };

    try {
      const refusal = refuse();
      if (refusal !== undefined) throw refusal;
      if (!protocols.split(',').some((each) => each.trim() === SUBPROTOCOL))
        throw new ServiceError(
          'INVALID_FIELD_VALUE',
          `Ask for the subprotocol ${SUBPROTOCOL} in Sec-WebSocket-Protocol`,
        );
      const anonymous = authorization === '' && apiKey === '';
      const found = anonymous
        ? undefined
        : authenticate(authorization, apiKey, true, { address: () => address });
      if (found instanceof Promise) found.then(take, answer);
      else take(found);
    } catch (error) {
      answer(error);
    }
  };
}
