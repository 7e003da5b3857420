import { ERROR_REGISTRY, type ErrorCode, type ErrorDefinition } from './registry.js';

const GROUPS: Record<number, string> = {
  1: 'Credentials and permissions',
  2: 'Rates and quotas',
  3: 'Requests',
  4: 'Not found',
  5: 'Conflicts',
  6: 'Cryptography',
  7: 'Rules',
  8: 'Service',
  9: 'Anchoring',
  10: 'Start-up (in the log and on the terminal only)',
};

const INTRODUCTION = `# Errors

<!-- Generated from engine/errors/registry.ts by \`npm run docs\`; do not edit. -->

Every failing answer has one shape, on every route:

\`\`\`json
{
  "error": {
    "code": "VERSION_CONFLICT",
    "numeric_code": 5003,
    "message": "order/42 is at version 4, not 3",
    "request_id": "0199c0de-5f0a-7000-8000-000000000001",
    "details": { "expected_version": 3, "actual_version": 4 },
    "doc_url": "/docs/errors#VERSION_CONFLICT"
  },
  "code": "VERSION_CONFLICT",
  "message": "order/42 is at version 4, not 3"
}
\`\`\`

The header \`x-error-code\` repeats the code. Where waiting helps, \`Retry-After\` and \`error.retry_after\` say how many
seconds. \`details\` is there only where the message alone does not tell a program enough. Branch on \`code\` (or
\`numeric_code\`): neither ever changes its meaning; messages may. "Retry" says whether the same request, sent again
unchanged, may succeed.
`;

/** `docs/errors.md`: every code with its statuses, its meaning and what to do. */
export const renderErrorDocs = (): string => {
  const parts = [INTRODUCTION];
  let group = 0;
  for (const [code, definition] of Object.entries(ERROR_REGISTRY) as [ErrorCode, ErrorDefinition][]) {
    const next = Math.floor(definition.numeric / 1000);
    if (next !== group) parts.push(`## ${GROUPS[next]}\n`);
    group = next;
    parts.push(renderCode(code, definition));
  }
  return parts.join('\n');
};

const renderCode = (code: ErrorCode, definition: ErrorDefinition): string => {
  const { numeric, http, grpc, wsClose, retryable, retryAfterSeconds, title, help } = definition;
  const wait = retryAfterSeconds === undefined ? '' : `, after ${retryAfterSeconds} s`;
  const statuses =
    numeric >= 10_000
      ? `numeric ${numeric}`
      : `numeric ${numeric} · HTTP ${http} · gRPC ${grpc} · WebSocket close ${wsClose} · retry: ${retryable ? `yes${wait}` : 'no'}`;
  return `### <a id="${code}"></a>${code}\n\n${title}.\n\n${help}\n\n_${statuses}_\n`;
};
