import ranking from 'wasm-loops/ranking.wasm';
import { loadHdf5 } from '../hdf5-library.js';
import type { Reply, Request } from '../messages.js';
import { bundle } from '../node/fs.js';
import { asDropped, mountFile } from '../node/read.js';
import type { Progress } from '../../progress.js';
import { OpenAnalysis } from './analysis.js';
import { startBackend, type Started } from './backend.js';
import { fileLimit } from './file-limit.js';
import { loadSiteModel, type SiteModel } from './site-model.js';

bundle('ranking.wasm', ranking);

const base = new URL('.', import.meta.url);
let model: SiteModel | undefined;
let started: Started | undefined;
let open: OpenAnalysis | undefined;

const reply = (message: Reply, transfer: Transferable[] = []): void => (self as unknown as Worker).postMessage(message, transfer);

/** Told at most ten times a second. */
const progress: Progress = {
  start(what, total) {
    let last = 0;
    const tell = (done: number) => reply({ kind: 'progress', what, done, total });
    tell(0);
    return {
      update(done) {
        const now = performance.now();
        if (now - last < 100) return;
        last = now;
        tell(done);
      },
      stop: () => tell(total),
    };
  },
};

async function answer(request: Request): Promise<void> {
  switch (request.kind) {
    case 'start': {
      [model] = await Promise.all([loadSiteModel(base), loadHdf5()]);
      const { numBytes } = model.settings;
      started = await startBackend(base, model.settings, request.backend, (share) =>
        reply({ kind: 'progress', what: 'Load the model', done: share * numBytes, total: numBytes }),
      );
      const { backend, difference, refused } = started;
      return reply({ kind: 'ready', backend, difference, refused, settings: model.settings });
    }
    case 'analyse': {
      open?.close();
      open = undefined;
      fileLimit(request.file);
      open = await OpenAnalysis.run(mountFile(request.file), model!, started!.runner, progress);
      return reply(open.analysis);
    }
    case 'gene':
      return reply({ kind: 'expression', gene: request.name, values: await open!.expression(request.name) });
    case 'save': {
      const { settings } = model!;
      const bytes = await open!.save({ version: settings.version, checkpoint: settings.name, sha256: settings.checkpointSha256 });
      return reply({ kind: 'saved', fileName: open!.analysis.fileName.replace(/(\.h5ad|\.h5|\.h5mu|\.loom)?$/i, '.annotated.h5ad'), bytes }, [bytes.buffer]);
    }
  }
}

self.addEventListener('message', ({ data }: MessageEvent<Request>) => {
  answer(data).catch((error: unknown) => reply({ kind: 'error', of: data.kind, message: asDropped(sentence(error)) }));
});

/** What went wrong, for people. */
function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /out of memory|allocation failed|Array buffer allocation/i.test(text)
    ? 'This file needs more memory than the browser gives a page: use scdiva annotate, which reads it piece by piece.'
    : text;
}
