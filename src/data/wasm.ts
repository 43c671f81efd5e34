import { readFileSync } from 'node:fs';

/** What is used of the engine's WebAssembly, which the types of Node do not describe. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: Record<string, Record<string, unknown>>) => { readonly exports: unknown };
}

/** A number that the loops export: most are addresses in their memory. */
export interface Address {
  readonly value: number;
}

/**
 * Loops of wasm/, compiled once a thread; each call gives an instance with a memory of its own.
 * @param file what `npm run build` made of them
 * @param host functions they call back. Logarithms are the engine's own, so that values are those of Math.log1p wherever they are computed.
 */
export function wasmLoops<Loops>(file: URL, host: Record<string, (x: number) => number>): () => Loops {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;
  let compiled: object | undefined;
  return () => {
    compiled ??= new Module(readFileSync(file));
    return new Instance(compiled, { host }).exports as Loops;
  };
}
