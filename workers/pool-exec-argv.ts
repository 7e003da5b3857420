/**
 * Piscina first tries `require()` on a worker's file, and `import()` when that throws. A thread that is ended while Node's `require()`
 * instantiates an ES module aborts the whole process ("v8::Module::IsGraphAsync must be used on an instantiated module", Node 20.20):
 * seen when a pool was closed as soon as it was opened. Without `require()` of ES modules it imports at once.
 */
export const POOL_EXEC_ARGV = [...process.execArgv, '--no-experimental-require-module'];
