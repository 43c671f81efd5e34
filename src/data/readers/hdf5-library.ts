import { fileURLToPath } from 'node:url';
import type * as H5wasm from 'h5wasm/node';

let loading: Promise<typeof H5wasm> | undefined;

/** The HDF5 library, loaded at first use (a quarter of a second). It reads by path, so a file never enters memory as a whole. */
export function loadHdf5(): Promise<typeof H5wasm> {
  loading ??= import('h5wasm/node').then(async (h5wasm) => {
    const library = await h5wasm.ready;
    // Without this, the C library prints its error stack on stderr and h5wasm returns whatever lay in the buffer.
    library.activate_throwing_error_handler();
    library.insert_plugin_search_path(fileURLToPath(new URL('plugins', import.meta.resolve('h5wasm-plugins'))), 0);
    return h5wasm;
  });
  return loading;
}
