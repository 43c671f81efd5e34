import { defineVerb } from '../verb.js';

const MIB = 2 ** 20;

export const serve = defineVerb({
  command: 'serve',
  describe: 'answer requests over HTTP: embed and annotate cells sent as JSON or .h5ad',
  stopping: 'finishing what is under way',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder, or owner/name of a model on the hub' })
      .option('reference', { type: 'string', requiresArg: true, describe: 'folder that scdiva reference build wrote with this checkpoint: adds /v1/map' })
      .option('host', { type: 'string', describe: 'address to listen on; 0.0.0.0 = every network this machine is in [127.0.0.1]' })
      .option('port', { type: 'number', describe: '0 = any that is free [8080]' })
      .option('max-requests', { type: 'number', describe: 'JSON requests taken on at once; more are answered 429 [64]' })
      .option('max-files', { type: 'number', describe: 'uploaded files worked on at once; more are answered 429 [2]' })
      .option('max-body-mb', { type: 'number', describe: 'MiB of a JSON request; larger ones are answered 413 [64]' })
      .option('max-upload-mb', { type: 'number', describe: 'MiB of an uploaded file [4096]' })
      .option('timeout', { type: 'number', describe: 'seconds a JSON request may take [60]' })
      .option('file-timeout', { type: 'number', describe: 'seconds an uploaded file may take [3600]' })
      .option('grace', { type: 'number', describe: 'seconds for what is under way when told to stop [30]' })
      .option('batch-size', { type: 'number', describe: 'most cells computed at once, of however many requests [32]' })
      .option('batch-delay', { type: 'number', describe: 'milliseconds that cells wait for others while nothing is computed [2]' })
      .option('precision', { choices: ['f32', 'bf16'] as const, default: 'f32' as const, describe: 'bf16: faster, about three digits' })
      .option('executor', { choices: ['auto', 'eager', 'graph'] as const, default: 'auto' as const, describe: 'how to compute: compiled graph, or op by op' }),
  async run(
    {
      checkpoint,
      reference,
      host,
      port,
      maxRequests,
      maxFiles,
      maxBodyMb,
      maxUploadMb,
      timeout,
      fileTimeout,
      grace,
      batchSize,
      batchDelay,
      precision,
      executor,
    },
    { log, progress, signal, say },
  ) {
    const [{ parseConfig }, { ServerConfig }, { serve: start }, { packageVersion }] = await Promise.all([
      import('../../config/load.js'),
      import('../../server/config.js'),
      import('../../server/serve.js'),
      import('../package-version.js'),
    ]);
    const times = (value: number | undefined, factor: number): number | undefined => value && Math.round(value * factor);
    const given = {
      host,
      port,
      maxRequests,
      maxFiles,
      maxBodyBytes: times(maxBodyMb, MIB),
      maxUploadBytes: times(maxUploadMb, MIB),
      timeoutMs: times(timeout, 1000),
      fileTimeoutMs: times(fileTimeout, 1000),
      graceMs: times(grace, 1000),
      batchSize,
      batchDelayMs: batchDelay,
    };
    const config = parseConfig(ServerConfig, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
    const server = await start({ checkpoint, reference, config, version: packageVersion(), log, progress, signal, precision, executor, notice: say });
    say(`listening on ${server.url}: ${server.endpoints.filter((path) => path.startsWith('/v1/')).join(', ')}; described at ${server.url}/openapi.json`);
    if (!/^(127\.|\[::1\]|localhost)/.test(new URL(server.url).hostname))
      say('anybody who reaches this address may use it: there is no log-in; put it behind a proxy that has one');
    await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
    await server.stop();
    return { json: { url: server.url, endpoints: server.endpoints, checkpoint }, text: 'stopped' };
  },
});
