export interface CompileOptions {
  /** Name of the source in engine/ed25519/assembly without its ending; `index` is the product's, `test-exports` the tests'. */
  readonly entry?: 'index' | 'test-exports';
  readonly optimizeLevel?: 0 | 1 | 2 | 3;
  /** Another text for a source (`field.ts`), or undefined for its own. */
  readonly readSource?: (name: string) => string | undefined;
}
/** Compiles the engine; the module's bytes. */
export declare function compileWasm(options?: CompileOptions): Promise<Uint8Array<ArrayBuffer>>;
/** Compiles the product's module unless it is there already; returns whether there was something to do. */
export declare function buildWasm(): Promise<boolean>;
