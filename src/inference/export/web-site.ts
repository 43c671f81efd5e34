import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OutputError, SetupError } from '../../errors.js';
import { sha256File, writeFolderAtomic } from '../../files.js';
import { loadTensorFlow } from '../../runtime/native/load.js';
import type { WeightPrecision } from '../../runtime/program/portable/stored-weight.js';
import { readHead } from '../../tasks/annotation/head.js';
import { CHECKPOINT_FILES, type OpenCheckpoint } from '../../train/checkpoint.js';
import { syntheticBatches } from './check.js';
import { runSignatures } from './run-signatures.js';
import { signaturesOf } from './signatures.js';
import { writeTfjsModel } from './tfjs.js';

export interface WebSiteOptions {
  readonly weights: WeightPrecision;
  /** Shown on the page; default: the name of the checkpoint's folder. */
  readonly name?: string | undefined;
  readonly version: string;
  readonly notice?: ((line: string) => void) | undefined;
}

export interface WebSite {
  readonly out: string;
  readonly name: string;
  readonly weights: WeightPrecision;
  readonly classes: readonly string[];
  readonly numFiles: number;
  readonly sizeBytes: number;
  /** Of these the model. */
  readonly modelBytes: number;
}

/** What `npm run build` made of src/web. */
const PAGE = fileURLToPath(new URL('../../web', import.meta.url));
/** Cells of no one, that a browser's arithmetic is tried on: [cells, genes]. */
const PROBE = [[3, 96]] as const;

/**
 * Writes a folder of static files: a page that annotates cells in the browser with the model of a checkpoint. Any web server can hand it out.
 * @throws OutputError when `out` exists or cannot be written
 */
export async function writeWebSite(checkpoint: OpenCheckpoint, out: string, { weights, name: wanted, version, notice }: WebSiteOptions): Promise<WebSite> {
  if (existsSync(out)) throw new OutputError({ file: out, found: 'exists already', hint: 'name another --out' });
  if (!existsSync(join(PAGE, 'index.html'))) throw new SetupError({ file: PAGE, found: 'the page is not built', hint: 'run: npm run build' });
  await loadTensorFlow(notice && { notice });
  const name = wanted ?? basename(checkpoint.folder);
  const all = signaturesOf(checkpoint);
  const annotate = all.find((signature) => signature.name === 'annotate');
  const used = annotate ?? all.find((signature) => signature.name === 'embed')!;
  const classes = annotate ? readHead(checkpoint).info.classes : [];
  let modelBytes = 0;
  await writeFolderAtomic(out, async (folder) => {
    await cp(PAGE, folder, { recursive: true });
    const model = join(folder, 'model');
    await mkdir(model);
    await writeTfjsModel({ checkpoint, signatures: [used] }, model, weights);
    modelBytes = (await sizes(model)).filter(({ path }) => path.endsWith('.bin')).reduce((sum, { size }) => sum + size, 0);
    const settings = {
      name,
      version,
      checkpointSha256: await hashes(checkpoint, annotate !== undefined),
      weights,
      numBytes: modelBytes,
      embeddingDim: checkpoint.modelConfig.hiddenDim,
      numHeads: checkpoint.modelConfig.numHeads,
      classes,
      probe: await probe(checkpoint, used),
    };
    await writeFile(join(folder, 'settings.json'), JSON.stringify(settings));
  });
  const written = await sizes(out);
  return { out, name, weights, classes, numFiles: written.length, sizeBytes: written.reduce((sum, { size }) => sum + size, 0), modelBytes };
}

async function probe(checkpoint: OpenCheckpoint, signature: ReturnType<typeof signaturesOf>[number]): Promise<object> {
  const [batch] = syntheticBatches(checkpoint, PROBE);
  const { numCells, seqLen, geneIds, values } = batch!;
  const own = await runSignatures(checkpoint);
  try {
    const shape = [numCells, seqLen];
    const { latent } = await own.run(signature, { gene_ids: { dtype: 'int32', shape, data: geneIds }, values: { dtype: 'float32', shape, data: values } }, [
      'latent',
    ]);
    return { numCells, seqLen, geneIds: Array.from(geneIds), values: Array.from(values), latent: Array.from(latent!.data) };
  } finally {
    own.dispose();
  }
}

async function hashes({ weightsFiles, folder }: OpenCheckpoint, usesHead: boolean): Promise<Record<string, string>> {
  const files = [...weightsFiles, ...(usesHead ? [join(folder, CHECKPOINT_FILES.headWeights)] : [])];
  return Object.fromEntries(await Promise.all(files.map(async (file) => [basename(file), await sha256File(file)] as const)));
}

async function sizes(folder: string): Promise<{ path: string; size: number }[]> {
  const entries = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Promise.all(
    entries.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path, size: (await stat(path)).size };
    }),
  );
}
