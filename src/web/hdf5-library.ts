import * as h5wasm from 'h5wasm';

/** Filters beside those that the library has; the same ones as in Node. */
const PLUGINS = ['bz2', 'lzf', 'blosc', 'lz4', 'bshuf', 'zstd', 'blosc2'];
const PLUGIN_FOLDER = '/plugins';

let loading: Promise<typeof h5wasm> | undefined;

/** Takes the place of the module of this name in src/data/readers: the library as a page loads it, plug-ins fetched beside the page. */
export function loadHdf5(): Promise<typeof h5wasm> {
  loading ??= h5wasm.ready.then(async (library) => {
    library.activate_throwing_error_handler();
    library.FS.mkdirTree(PLUGIN_FOLDER);
    await Promise.all(
      PLUGINS.map(async (name) => {
        const file = `libH5Z${name}.so`;
        const answer = await fetch(new URL(`plugins/${file}`, import.meta.url));
        if (!answer.ok) throw new Error(`plugins/${file}: ${answer.status}`);
        library.FS.writeFile(`${PLUGIN_FOLDER}/${file}`, new Uint8Array(await answer.arrayBuffer()));
      }),
    );
    library.insert_plugin_search_path(PLUGIN_FOLDER, 0);
    return h5wasm;
  });
  return loading;
}
