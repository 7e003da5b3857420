/** The compiled module from the file beside this one. Only for Node: everything else here runs anywhere. */
import { readFileSync } from 'node:fs';

/** Reads and compiles the module: about 10 ms. It may be handed to worker threads and instantiated in each. */
export function loadEd25519Module(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('./engine.wasm', import.meta.url)));
}
