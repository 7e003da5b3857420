import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // See engine/store/lost-session.ts: the driver leaves this promise to nobody, and tests cut connections on purpose.
    onUnhandledError(error) {
      const { code, query } = error as { code?: string; query?: string };
      return !(code?.startsWith('CONNECTION_') && query?.includes('pg_catalog.pg_type'));
    },
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Test files share one database server and often a whole service each: two at a time keep timings honest.
    maxWorkers: 2,
    // Native add-ons (libsodium, uWebSockets.js) are happier in processes than in threads.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
