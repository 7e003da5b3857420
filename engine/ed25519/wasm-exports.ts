/** What the module of assembly/index.ts exports. Addresses and sizes are bytes. */
export interface WasmExports {
  readonly memory: WebAssembly.Memory;
  /** Computes the tables of the base point; once, before everything else. */
  prepare(): void;
  /** Checks the public key at the staging place; 1 if it may be used, and then x and y of its negative are behind it. */
  importKey(): number;
  /** Builds the table of the key whose point (x and y of its negative) is at the staging place. */
  buildKeyTable(address: number): void;
  /** Decides `count` records from the one with index `first`. */
  verifyBatch(first: number, count: number): void;
  /** SHA-512 of a long message: `hashPiece` takes bytes at the staging place, `hashEnd` puts the result into a record. */
  hashBegin(): void;
  hashPiece(length: number): void;
  hashEnd(record: number): void;
  recordsAddress(): number;
  recordBytes(): number;
  batchMax(): number;
  verdictsAddress(): number;
  stagingAddress(): number;
  stagingBytes(): number;
  keyTablesAddress(): number;
  keyTableBytes(): number;
}

/** Instantiates the module and lets it compute its tables: about 5 ms. */
export function instantiate(module: WebAssembly.Module): WasmExports {
  const exports = new WebAssembly.Instance(module, {}).exports as unknown as WasmExports;
  growMemory(exports.memory, exports.keyTablesAddress());
  exports.prepare();
  return exports;
}

/** Makes the memory at least so long. Views of it are of no use afterwards. */
export function growMemory(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
}

const PAGE_BYTES = 65_536;
