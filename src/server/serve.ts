import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutputError } from '../errors.js';
import { silentLogger, type Logger } from '../log.js';
import { provenanceOf } from '../inference/annotated-file.js';
import { BatchingEncoder } from '../inference/batching-encoder.js';
import { describeCheckpoint } from '../inference/describe-checkpoint.js';
import { ScDiVaInference } from '../inference/engine.js';
import { Reference } from '../inference/reference/reference.js';
import { ScDiVa, type LoadOptions } from '../inference/scdiva.js';
import { createApp, type App } from './app.js';
import type { ServerConfig } from './config.js';

export interface ServeOptions extends Pick<LoadOptions, 'executor' | 'precision' | 'notice' | 'progress' | 'signal' | 'genes' | 'entropy' | 'targetSum'> {
  /** Checkpoint folder, run folder, or a model of the hub by name. */
  readonly checkpoint: string;
  /** Folder that `buildReference` wrote with this model: cells can then be mapped to it. */
  readonly reference?: string | undefined;
  readonly config: ServerConfig;
  /** Of this package. */
  readonly version: string;
  readonly log?: Logger;
}

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly endpoints: readonly string[];
  /**
   * Takes on nothing new, finishes what is under way (what is not done after `graceMs` is answered 503) and frees the model. The same promise
   * however often it is asked.
   */
  stop(): Promise<void>;
}

/**
 * Loads a model and answers requests for it over HTTP.
 * @throws CheckpointError as `ScDiVa.fromPretrained` and `Reference.open`; OutputError when it cannot listen there
 */
export async function serve({ checkpoint, reference: referenceFolder, config, version, log = silentLogger, ...load }: ServeOptions): Promise<RunningServer> {
  let app: App | undefined;
  let batching: BatchingEncoder | undefined;
  const model = await ScDiVa.fromPretrained(checkpoint, {
    ...load,
    wrapEncoder: (encoder, { vocabulary, preprocessing }) =>
      (batching = new BatchingEncoder(encoder, {
        maxCells: config.batchSize,
        maxDelayMs: config.batchDelayMs,
        padId: vocabulary.padId,
        maxGenes: preprocessing.maxGenes,
        onBatch: (batch) => app?.monitor.onBatch(batch),
      })),
  });
  const engine = new ScDiVaInference({ model });
  const folder = await mkdtemp(join(tmpdir(), 'scdiva-serve-'));
  const free = async (): Promise<void> => {
    await engine.dispose();
    model.dispose();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const head = model.checkpoint.head?.info.task;
    const reference = referenceFolder === undefined ? undefined : await Reference.open(referenceFolder, model);
    const [description, provenance] = await Promise.all([describeCheckpoint(model.checkpoint), provenanceOf(model, version, head !== undefined)]);
    app = await createApp(
      { version, model, engine, description, provenance, head, reference, batchSize: config.batchSize, folder, numWaiting: () => batching!.numWaiting },
      config,
      log,
    );
    await listen(app, config);
  } catch (error) {
    await app?.server.close();
    await free();
    throw error;
  }
  const { server, limits, drain } = app;
  const { port, address, family } = server.server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    drain();
    const grace = setTimeout(() => limits.stopAll(), config.graceMs);
    await server.close();
    clearTimeout(grace);
    await free();
  };
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    port,
    endpoints: Object.keys(server.swagger().paths ?? {}),
    stop: () => (stopping ??= stop()),
  };
}

async function listen({ server }: App, { host, port }: ServerConfig): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const [found, hint] =
      code === 'EADDRINUSE'
        ? ['something else listens there', 'choose another --port, or 0 for any']
        : code === 'EACCES'
          ? ['not allowed to listen there', 'choose a --port above 1023']
          : [`cannot listen there (${code})`, 'choose another --host'];
    throw new OutputError({ file: `${host}:${port}`, found, hint, cause });
  }
}
