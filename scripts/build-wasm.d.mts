export interface CompileOptions {
  /** Which module: that of engine/<room>/assembly; `ed25519` if left out. */
  readonly room?: 'ed25519' | 'sha256';
  /** Name of the source there without its ending; `index` is the product's, `test-exports` the tests' (ed25519 only). */
  readonly entry?: 'index' | 'test-exports';
  readonly optimizeLevel?: 0 | 1 | 2 | 3;
  /** Another text for a source (`field.ts`), or undefined for its own. */
  readonly readSource?: (name: string) => string | undefined;
}
/** Compiles a module; its bytes. */
export declare function compileWasm(options?: CompileOptions): Promise<Uint8Array<ArrayBuffer>>;
/** Compiles the product's modules unless they are there already; returns whether there was something to do. */
export declare function buildWasm(): Promise<boolean>;
