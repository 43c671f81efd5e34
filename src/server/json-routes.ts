// n cells, D cell embedding, C classes
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { EncodedCells } from '../inference/scdiva.js';
import { cellsOf } from './request-cells.js';
import { AnnotateRequest, AnnotateResponse, CellsRequest, EmbedResponse, MapRequest, MapResponse } from './schemas.js';
import type { Service } from './service.js';
import { untilStopped } from './time-limits.js';

export type TypedRoutes = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>;

/** Cells in, results out, both as JSON; only what the checkpoint has a head for. */
export function jsonRoutes(routes: TypedRoutes, { engine, head, reference, batchSize }: Service): void {
  routes.post('/v1/embed', { schema: { tags: ['cells'], summary: 'Embeds cells', body: CellsRequest, response: { 200: EmbedResponse } } }, async (request) => {
    const cells = cellsOf(request.body);
    const encoded = await untilStopped(request, (signal) => engine.embed(cells, { batchSize, signal, valueKind: request.body.valueKind }));
    return embedded(cells.cellIds, encoded);
  });

  if (head === 'annotation') {
    routes.post(
      '/v1/annotate',
      {
        schema: { tags: ['cells'], summary: 'Names the types of cells, each with its confidence', body: AnnotateRequest, response: { 200: AnnotateResponse } },
      },
      async (request) => {
        const { valueKind, threshold, probabilities: wantsProbabilities = false } = request.body;
        const cells = cellsOf(request.body);
        const result = await untilStopped(request, (signal) => engine.annotate(cells, { batchSize, signal, valueKind, threshold }));
        const { classes, labels, confidence, mostLikely, typicality, probabilities } = result;
        return {
          cellIds: [...cells.cellIds],
          labels: [...labels],
          confidence: Array.from(confidence),
          mostLikely: Array.from(mostLikely, (code) => classes[code] ?? null),
          classes: [...classes],
          threshold: result.threshold,
          ...(typicality && { typicality: Array.from(typicality, (share) => (Number.isNaN(share) ? null : share)) }),
          ...(wantsProbabilities && { probabilities: rowsOf(probabilities, classes.length) }),
          source: sourceOf(result),
        };
      },
    );
  }

  if (head === 'integration') {
    routes.post(
      '/v1/integrate',
      {
        schema: {
          tags: ['cells'],
          summary: 'Places cells in the space where sequencing batches are integrated',
          body: CellsRequest,
          response: { 200: EmbedResponse },
        },
      },
      async (request) => {
        const cells = cellsOf(request.body);
        const placed = await untilStopped(request, (signal) => engine.integrate(cells, { batchSize, signal, valueKind: request.body.valueKind }));
        return embedded(cells.cellIds, placed);
      },
    );
  }

  if (reference) {
    routes.post(
      '/v1/map',
      { schema: { tags: ['cells'], summary: 'Carries labels over from the nearest cells of the reference', body: MapRequest, response: { 200: MapResponse } } },
      async (request) => {
        const { valueKind, threshold } = request.body;
        const cells = cellsOf(request.body);
        const encoded = await untilStopped(request, (signal) => engine.embed(cells, { batchSize, signal, valueKind }));
        const { labels, confidence, agreement, distance, mostLikely, classes, ...rest } = reference.map(encoded, { threshold });
        return {
          cellIds: [...cells.cellIds],
          labels: [...labels],
          confidence: Array.from(confidence),
          agreement: Array.from(agreement),
          distance: Array.from(distance, (value) => (Number.isNaN(value) ? null : value)),
          mostLikely: Array.from(mostLikely, (code) => classes[code] ?? null),
          classes: [...classes],
          threshold: rest.threshold,
          source: sourceOf(encoded),
        };
      },
    );
  }
}

function embedded(cellIds: readonly string[], encoded: EncodedCells): EmbedResponse {
  return { cellIds: [...cellIds], embeddings: rowsOf(encoded.latent.data, encoded.latent.shape[1]), source: sourceOf(encoded) };
}

/** Rows of n × width numbers; null for those of NaN. */
export function rowsOf(data: Float32Array | Float64Array, width: number): (number[] | null)[] {
  return Array.from({ length: data.length / width }, (_, i) => (Number.isNaN(data[i * width]) ? null : Array.from(data.subarray(i * width, (i + 1) * width))));
}

export function sourceOf({ source: { matrix, coverage, notes, shareOfExpression } }: EncodedCells): EmbedResponse['source'] {
  return {
    valueKind: matrix.valueKind,
    valueKindEvidence: matrix.evidence,
    numGenes: coverage.numGenes,
    numGenesMatched: coverage.numMatched,
    shareOfExpression: Number.isFinite(shareOfExpression) ? shareOfExpression : null,
    notes: [...notes],
  };
}
