import { basename } from 'node:path';
import multipart from '@fastify/multipart';
import swagger from '@fastify/swagger';
import fastify, { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { Admission } from './admission.js';
import type { ServerConfig } from './config.js';
import { fileRoutes } from './file-routes.js';
import { jsonRoutes } from './json-routes.js';
import { createMonitor, type Monitor } from './monitor.js';
import { describeUploads } from './openapi.js';
import { answerError, HttpProblem, problem, sendProblem } from './problem.js';
import { Health, ModelCard } from './schemas.js';
import type { Service } from './service.js';
import { TimeLimits } from './time-limits.js';
import { UPLOAD_TYPES } from './upload.js';

/** Time for the headers of a request; its body has the time limit of its route. */
const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;

export interface App {
  readonly server: ReturnType<typeof createServer>;
  readonly monitor: Monitor;
  readonly limits: TimeLimits;
  /** From now on not ready, and every new request is refused. */
  drain(): void;
}

/** The HTTP face of a model: routes, limits, errors, description. Listens to nothing yet. */
export async function createApp(service: Service, config: ServerConfig, log: FastifyBaseLogger): Promise<App> {
  const server = createServer(config, log);
  const requests = new Admission('requests', config.maxRequests);
  const files = new Admission('files', config.maxFiles);
  const limits = new TimeLimits();
  const monitor = createMonitor({ requests: () => requests.inFlight, files: () => files.inFlight, waitingCells: () => service.numWaiting() });
  let isDraining = false;

  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  server.setErrorHandler(answerError);
  server.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problem(404, `${request.method} ${request.url.split('?')[0]!.slice(0, 100)} is not here (GET /openapi.json lists what is)`)),
  );
  server.addContentTypeParser(UPLOAD_TYPES, (_request, payload, done) => done(null, payload));
  await server.register(multipart, { limits: { files: 1, fields: 0, fileSize: Infinity } });
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'ScDiVa',
        description: 'Embeds and annotates single cells with one trained model.',
        version: service.version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => describeUploads(jsonSchemaTransformObject(document)),
  });

  // Before a body is read: a request that cannot be served costs nothing.
  const admit =
    (admission: Admission, limitMs: number) =>
    (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
      try {
        if (isDraining) throw new HttpProblem(503, 'the server stops', { closes: true, retryAfterSeconds: 5 });
        const leave = admission.enter();
        reply.raw.once('close', leave);
        limits.start(request, reply, limitMs);
        done();
      } catch (error) {
        done(error as Error);
      }
    };
  // A connection that is kept for the next request would keep a stopping server.
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (isDraining) void reply.header('connection', 'close');
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    monitor.onResponse(request.routeOptions.url ?? '(none)', request.method, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });

  await server.register((scope, _options, done) => {
    scope.addHook('onRequest', admit(requests, config.timeoutMs));
    jsonRoutes(scope.withTypeProvider<ZodTypeProvider>(), service);
    done();
  });
  await server.register((scope, _options, done) => {
    scope.addHook('onRequest', admit(files, config.fileTimeoutMs));
    fileRoutes(scope.withTypeProvider<ZodTypeProvider>(), service, config);
    done();
  });
  await server.register((scope, _options, done) => {
    const routes = scope.withTypeProvider<ZodTypeProvider>();
    const { description } = service;
    const card = () => ({
      version: service.version,
      name: basename(description.folder),
      model: { ...description.model },
      numParameters: description.numParameters,
      dtypes: [...description.dtypes],
      numGenes: description.numGenes,
      vocabularyHash: description.vocabularyHash,
      preprocessing: { ...description.preprocessing },
      head: description.head && { ...description.head },
      training: description.training && { ...description.training },
      files: [...description.files],
      endpoints: Object.keys(server.swagger().paths ?? {}),
      limits: {
        maxRequests: config.maxRequests,
        maxFiles: config.maxFiles,
        maxBodyBytes: config.maxBodyBytes,
        maxUploadBytes: config.maxUploadBytes,
        timeoutMs: config.timeoutMs,
        fileTimeoutMs: config.fileTimeoutMs,
      },
    });
    routes.get('/v1/model', { schema: { tags: ['model'], summary: 'What model this is, and what it can do', response: { 200: ModelCard } } }, card);
    routes.get('/health/live', { schema: { tags: ['health'], summary: 'Whether the process answers', response: { 200: Health } } }, () => ({
      status: 'ok' as const,
    }));
    routes.get(
      '/health/ready',
      { schema: { tags: ['health'], summary: 'Whether requests are taken on: 503 while the server stops', response: { 200: Health, 503: Health } } },
      (_request, reply) => {
        void reply.code(isDraining ? 503 : 200);
        return { status: isDraining ? ('stopping' as const) : ('ok' as const) };
      },
    );
    scope.get('/openapi.json', { schema: { hide: true } as object }, () => server.swagger());
    scope.get('/metrics', { schema: { hide: true } as object }, async (_request, reply) =>
      reply.type(monitor.registry.contentType).send(await monitor.registry.metrics()),
    );
    done();
  });
  await server.ready();
  return { server, monitor, limits, drain: () => void (isDraining = true) };
}

function createServer(config: ServerConfig, log: FastifyBaseLogger) {
  return fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.maxBodyBytes,
    requestTimeout: config.fileTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: 1000 },
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // No part of a request becomes the prototype of an object here.
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
  });
}
