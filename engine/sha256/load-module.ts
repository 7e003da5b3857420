/** The compiled module from the file beside this one. Only for Node: everything else here runs anywhere. */
import { readFileSync } from 'node:fs';

/** Reads and compiles the module: about a millisecond. It may be handed to worker threads and instantiated in each. */
export function loadRowsModule(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./rows.wasm', import.meta.url)));
}
