import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
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
