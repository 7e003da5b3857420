// A service in a process of its own, for tests that kill it: starts the server, writes a thousand rows in transactions of
// their own, prints the server's pid and waits. SIGUSR2 makes it exit without stopping the server. The TypeScript sources
// are run through vite, as the tests are.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const load = async (path) => (await runnerImport(fileURLToPath(new URL(path, import.meta.url)))).module;
const { startEmbeddedPostgres } = await load('../../engine/store/embedded-postgres.ts');
const { connectDatabase } = await load('../../engine/store/connection.ts');

const server = await startEmbeddedPostgres({ dataDir: process.argv[2], log: () => {} });
process.on('SIGUSR2', () => process.exit(0));
const sql = connectDatabase(server.target, { max: 1, applicationName: 'run-embedded' });
await sql`create table written (n int primary key)`;
for (let n = 0; n < 1000; n++) await sql`insert into written values (${n})`;
console.log(server.pid);
setInterval(() => {}, 1000);
