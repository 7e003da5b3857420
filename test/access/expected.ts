/** What every kind of credential must come to at a row of the table of access. */
import type { AccessRow } from '../../gateway/auth/access-table.js';

/** Kinds of credentials. Those of the second half count, and are the wrong ones in one respect at most. */
export const COLUMNS = [
  'none',
  'garbage',
  'revoked',
  'expired',
  'old token',
  'forged token',
  'stale signature',
  'no permission',
  'wrong tenant',
  'wrong store',
  'wrong agent',
  'token no permission',
  'token wrong tenant',
  'token wrong store',
  'token wrong agent',
  'good',
  'token good',
  'operator',
] as const;
export type Column = (typeof COLUMNS)[number];

/** What a command needs, so that there can be a credential that has all but this. */
export const NEEDS = ['read', 'write', 'admin', 'read-or-admin', 'agent', 'none'] as const;
export type Need = (typeof NEEDS)[number];

export const needOf = ({ permission, check, compares }: AccessRow): Need => {
  if (check === 'read-or-admin') return check;
  if (check === 'read-unless-public' || permission === 'subscription') return 'read';
  if (permission === 'read' || permission === 'write' || permission === 'admin') return permission;
  return compares.includes('agent') ? 'agent' : 'none';
};

/** Signatures are HTTP's: elsewhere a request with nothing else has no credentials. */
const UNKNOWN = {
  none: () => '401 AUTH_REQUIRED',
  garbage: () => '401 INVALID_API_KEY',
  revoked: () => '401 INVALID_API_KEY',
  expired: () => '401 INVALID_API_KEY',
  'old token': () => '401 TOKEN_EXPIRED',
  'forged token': () => '401 INVALID_TOKEN',
  'stale signature': ({ surface }: AccessRow) =>
    surface === 'http' ? '401 INVALID_REQUEST_SIGNATURE' : '401 AUTH_REQUIRED',
} satisfies Partial<Record<Column, (row: AccessRow) => string>>;

const isUnknown = (column: string): column is keyof typeof UNKNOWN => column in UNKNOWN;

/** `401 CODE`, `403`, `404` (like what does not exist), or `in`: past every check of credentials. */
export function expected(row: AccessRow, column: Column): string {
  const { permission, check, compares } = row;
  if (permission === 'public') return 'in';
  if (isUnknown(column)) return UNKNOWN[column](row);
  if (column === 'operator') return 'in';
  if (check === 'bootstrap') return '403';
  switch (column.replace('token ', '')) {
    case 'no permission':
      return needOf(row) === 'none' ? 'in' : '403';
    case 'wrong tenant':
      if (!compares.includes('tenant')) return 'in';
      return check === 'hidden' ? '404' : '403';
    case 'wrong store':
      if (!compares.includes('store')) return 'in';
      return check === 'hidden' || check === 'hidden-store' ? '404' : '403';
    case 'wrong agent':
      return compares.includes('agent') || permission === 'admin' ? '403' : 'in';
    default:
      return 'in';
  }
}
