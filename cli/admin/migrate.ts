import type { Command } from 'commander';
import { migrate } from '../../engine/store/migrate.js';
import { MIGRATIONS } from '../fsck-database.js';
import { type CommonOptions, databaseCommand, runOnDatabase } from './command.js';

/** `migrate`: brings the database's schema up to date. */
export const migrateCommand = (): Command =>
  databaseCommand('migrate', "bring the database's schema up to date").action((options: CommonOptions) =>
    runOnDatabase(
      options,
      async ({ sql }) => {
        const { applied } = await migrate(sql, MIGRATIONS);
        const lines =
          applied.length === 0
            ? ['the schema is up to date']
            : [`applied ${applied.length}: ${applied.join(', ')}`];
        return { lines, json: { applied } };
      },
      { anySchema: true },
    ),
  );
