export { type ParsedDatabaseUrl, parseDatabaseUrl, type SslMode } from './database-url.js';
export { describeConfig, formatConfigHelp, type SettingDescription, showEnvironment } from './describe.js';
export { type Config, configWarnings, type EnvironmentVariables, loadConfig } from './load.js';
export { inspectMachine, type Machine } from './machine.js';
