import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { annotateFile, embedFile, integrateFile, type FileJob } from '../inference/annotated-file.js';
import { mapFile } from '../inference/reference/map-file.js';
import type { ServerConfig } from './config.js';
import type { TypedRoutes } from './json-routes.js';
import { AnnotateFileQuery, FileQuery, MapFileQuery } from './schemas.js';
import type { Service } from './service.js';
import { untilStopped } from './time-limits.js';
import { receiveUpload, UPLOAD_TYPES } from './upload.js';

/** An .h5ad in, the same with the results in it out. Neither is ever in memory as a whole. */
export function fileRoutes(
  routes: TypedRoutes,
  { engine, head, reference, batchSize, folder, model, provenance }: Service,
  { maxUploadBytes }: ServerConfig,
): void {
  const answer = async (request: FastifyRequest, reply: FastifyReply, work: (job: FileJob, signal: AbortSignal) => Promise<unknown>): Promise<FastifyReply> => {
    const upload = await receiveUpload(request, folder, maxUploadBytes);
    // Removed with the answer's last byte, or when the client goes.
    reply.raw.once('close', () => void upload.remove());
    await untilStopped(request, async (signal) => {
      await work({ input: upload.input, output: upload.output }, signal);
      // Whoever was not waited for any more leaves nothing.
      if (signal.aborted) await upload.remove();
    });
    const { size } = await stat(upload.output);
    return reply
      .type(UPLOAD_TYPES[0]!)
      .header('content-length', size)
      .header('content-disposition', 'attachment; filename="result.h5ad"')
      .send(createReadStream(upload.output));
  };

  routes.post('/v1/embed/h5ad', { schema: { tags: ['files'], summary: 'Adds obsm["X_scdiva"] to an .h5ad', querystring: FileQuery } }, (request, reply) =>
    answer(request, reply, (job, signal) => embedFile(model, job, provenance, { ...request.query, batchSize, signal })),
  );
  if (head === 'annotation') {
    routes.post(
      '/v1/annotate/h5ad',
      {
        schema: {
          tags: ['files'],
          summary: 'Adds obs["scdiva_cell_type"], obs["scdiva_confidence"], obs["scdiva_typicality"] and obsm["X_scdiva"] to an .h5ad',
          querystring: AnnotateFileQuery,
        },
      },
      (request, reply) => {
        const { probabilities = false, ...options } = request.query;
        return answer(request, reply, (job, signal) =>
          annotateFile(engine, job, provenance, { ...options, withProbabilities: probabilities, batchSize, signal }),
        );
      },
    );
  }
  if (head === 'integration') {
    routes.post(
      '/v1/integrate/h5ad',
      { schema: { tags: ['files'], summary: 'Adds obsm["X_scdiva_integrated"] to an .h5ad', querystring: FileQuery } },
      (request, reply) => answer(request, reply, (job, signal) => integrateFile(engine, job, provenance, { ...request.query, batchSize, signal })),
    );
  }
  if (reference) {
    routes.post(
      '/v1/map/h5ad',
      { schema: { tags: ['files'], summary: 'Adds labels of the nearest cells of the reference, with distances, to an .h5ad', querystring: MapFileQuery } },
      (request, reply) => answer(request, reply, (job, signal) => mapFile(model, reference, job, provenance, { ...request.query, batchSize, signal })),
    );
  }
}
