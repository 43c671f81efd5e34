import { z } from 'zod';
import { ValueKind } from '../data/loader/config.js';

/**
 * What comes in and what goes out. The same schemas check requests and answers and are the OpenAPI description: neither can say
 * what the other does not.
 */

const MOST_GENES = 200_000;
const MOST_CELLS = 100_000;

const SparseCell = z.strictObject({
  id: z.string().max(200).optional(),
  indices: z.array(z.int().min(0)).describe('places in `genes` of the genes this cell expresses'),
  values: z.array(z.number()).describe('their values, one for each of `indices`'),
});

/** Cells in a request: sparse ones, or a matrix. */
const cellFields = {
  genes: z.array(z.string().min(1).max(200)).min(1).max(MOST_GENES).describe('names of the genes: symbols or Ensembl ids'),
  cells: z.array(SparseCell).min(1).max(MOST_CELLS).optional().describe('each cell by the genes it expresses'),
  matrix: z.array(z.array(z.number()).max(MOST_GENES)).min(1).max(MOST_CELLS).optional().describe('or all cells as rows of one value for each gene'),
  valueKind: ValueKind.optional().describe('what the values are, where it cannot be told from them'),
};

const oneOfBoth = {
  check: ({ cells, matrix }: { cells?: unknown; matrix?: unknown }) => (cells === undefined) !== (matrix === undefined),
  error: 'either cells or matrix, and not both',
};

export const CellsRequest = z
  .strictObject(cellFields)
  .refine(oneOfBoth.check, { path: ['cells'], error: oneOfBoth.error })
  .meta({ id: 'CellsRequest' });
export type CellsRequest = z.infer<typeof CellsRequest>;

const threshold = z.number().min(0).max(1).optional();

export const AnnotateRequest = z
  .strictObject({
    ...cellFields,
    threshold: threshold.describe('labels of lower confidence become unknown; default: the checkpoint’s'),
    probabilities: z.boolean().optional().describe('also the probability of every class'),
  })
  .refine(oneOfBoth.check, { path: ['cells'], error: oneOfBoth.error })
  .meta({ id: 'AnnotateRequest' });

const Source = z
  .object({
    valueKind: ValueKind,
    valueKindEvidence: z.string(),
    numGenes: z.int(),
    numGenesMatched: z.int().describe('of them, how many the model knows'),
    shareOfExpression: z.number().nullable().describe('of all expression, the share in genes the model knows; null without any expression'),
    notes: z.array(z.string()),
  })
  .meta({ id: 'Source', description: 'How the cells were read' });

const perCell = {
  cellIds: z.array(z.string()),
  source: Source,
};

export const EmbedResponse = z
  .object({ ...perCell, embeddings: z.array(z.array(z.number()).nullable()).describe('one row a cell; null where it has no gene that the model knows') })
  .meta({ id: 'EmbedResponse' });
export type EmbedResponse = z.infer<typeof EmbedResponse>;

export const AnnotateResponse = z
  .object({
    ...perCell,
    labels: z.array(z.string()).describe('a class, or unknown'),
    confidence: z.array(z.number()).describe('calibrated probability of the most likely class'),
    mostLikely: z.array(z.string().nullable()).describe('the most likely class, also where it was withheld; null for cells without known genes'),
    classes: z.array(z.string()),
    threshold: z.number(),
    typicality: z
      .array(z.number().nullable())
      .optional()
      .describe(
        'how like the cells of training each cell is: near 0 perhaps of a type it has not seen; null for cells without known genes; absent where the checkpoint keeps no training cells',
      ),
    probabilities: z.array(z.array(z.number()).nullable()).optional().describe('in the order of classes; null for cells without known genes'),
  })
  .meta({ id: 'AnnotateResponse' });

export const MapRequest = z
  .strictObject({ ...cellFields, threshold: threshold.describe('cells of a smaller confidence become unknown; default: the reference’s') })
  .refine(oneOfBoth.check, { path: ['cells'], error: oneOfBoth.error })
  .meta({ id: 'MapRequest' });

export const MapResponse = z
  .object({
    ...perCell,
    labels: z.array(z.string()).describe('a class of the reference, or unknown'),
    confidence: z.array(z.number()).describe('share of the reference’s own cells that lie at least as far from their neighbours'),
    agreement: z.array(z.number()).describe('share of the neighbours’ votes for the most voted class'),
    distance: z.array(z.number().nullable()).describe('mean distance to the neighbours; null for cells without known genes'),
    mostLikely: z.array(z.string().nullable()).describe('the most voted class, also where it was withheld; null for cells without known genes'),
    classes: z.array(z.string()),
    threshold: z.number(),
  })
  .meta({ id: 'MapResponse' });

/** What an upload is asked with, in the query. */
export const FileQuery = z.strictObject({
  matrix: z.string().max(200).optional().describe('X, raw/X or layers/<name>; default: the one that can be used'),
  valueKind: ValueKind.optional().describe('what the values are, where it cannot be told from them'),
});

export const AnnotateFileQuery = FileQuery.extend({
  threshold: z.coerce.number().min(0).max(1).optional().describe('labels of lower confidence become unknown; default: the checkpoint’s'),
  probabilities: z.stringbool().optional().describe('also obsm["scdiva_probabilities"]'),
});

export const MapFileQuery = FileQuery.extend({
  threshold: z.coerce.number().min(0).max(1).optional().describe('cells of a smaller confidence become unknown; default: the reference’s'),
});

/** RFC 9457. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('one line: what was found, and the mend'),
    field: z.string().optional().describe('what of the request is at fault'),
    expected: z.string().optional(),
    hint: z.string().optional().describe('the mend'),
  })
  .meta({ id: 'Problem', description: 'An error, as RFC 9457 has it' });
export type Problem = z.infer<typeof Problem>;

export const Health = z.object({ status: z.enum(['ok', 'stopping']) }).meta({ id: 'Health' });

export const ModelCard = z
  .object({
    version: z.string().describe('of this program'),
    name: z.string(),
    model: z.record(z.string(), z.unknown()).describe('sizes of the network'),
    numParameters: z.int(),
    dtypes: z.array(z.string()),
    numGenes: z.int(),
    vocabularyHash: z.string(),
    preprocessing: z.record(z.string(), z.unknown()),
    head: z.record(z.string(), z.unknown()).nullable(),
    training: z.record(z.string(), z.unknown()).nullable(),
    files: z.array(z.object({ name: z.string(), sizeBytes: z.int(), sha256: z.string() })),
    endpoints: z.array(z.string()),
    limits: z.record(z.string(), z.number()),
  })
  .meta({ id: 'ModelCard' });
