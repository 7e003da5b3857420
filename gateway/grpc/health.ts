/** `grpc.health.v1.Health`, for load balancers and orchestrators; public. */
import { ServiceError } from '../../engine/errors/index.js';
import { health } from '../../engine/wire-proto/index.js';
import { type Rpc, serverStream, unary, writeMessage } from './rpc.js';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;
/** How often a watched status is looked at. */
const WATCH_MS = 1000;

/** @param services names that may be asked about besides '', the server as a whole */
export function healthService(
  services: readonly string[],
  ready: () => boolean,
): Record<keyof (typeof health.Health)['method'], Rpc> {
  const known = new Set(['', ...services]);
  const statusOf = (service: string) =>
    !known.has(service) ? SERVICE_UNKNOWN : ready() ? SERVING : NOT_SERVING;
  return {
    check: unary(health.HealthCheckRequestSchema, health.HealthCheckResponseSchema, ({ service }) => {
      if (!known.has(service)) throw new ServiceError('RESOURCE_NOT_FOUND', 'unknown service');
      return { status: statusOf(service) };
    }),
    watch: serverStream(health.HealthCheckRequestSchema, ({ service }, { signal }, out) => {
      let told: number | undefined;
      const tell = () => {
        const status = statusOf(service);
        if (status === told || out.room() === 0) return;
        told = status;
        out.write(writeMessage(health.HealthCheckResponseSchema, { status }));
      };
      tell();
      const timer = setInterval(tell, WATCH_MS);
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          clearInterval(timer);
          resolve();
        });
      });
    }),
  };
}
