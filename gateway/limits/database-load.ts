import { ServiceError } from '../../engine/errors/index.js';

/** The answer to work that needs the database while its connections are all taken, before anything of it is done. */
export const databaseOverloaded = (): ServiceError =>
  new ServiceError('OVERLOADED', 'The database has no connection left for new work; try again shortly', {
    details: { limit_of: 'database' },
  });
