import type { MethodColumn } from '../../tasks/finetune/methods.js';
import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

export const evaluateAnnotation = defineVerb({
  command: 'annotation',
  describe: 'score a fine-tuned model on the labels of a file, beside always guessing the most frequent class',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune annotation wrote' })
      .option('data', { type: 'string', demandOption: true, describe: 'file of cells with labels' })
      .option('label', { type: 'string', demandOption: true, describe: 'obs column with the true labels' })
      .option('label-map', {
        type: 'string',
        requiresArg: true,
        describe: 'table of two columns: a label of the file, the model’s word for it (empty = leave such cells out)',
      })
      .option('reference', {
        type: 'string',
        requiresArg: true,
        describe: 'corpus the model was fine-tuned on: scores simple methods fitted on its training cells, too',
      })
      .options(CELL_FLAGS)
      .option('threshold', { type: 'number', describe: 'smallest confidence of a label [the checkpoint’s]' })
      .option('batch-size', { type: 'number', describe: 'cells computed at once' }),
  async run({ checkpoint, data, label, labelMap, reference, threshold, batchSize, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { ScDiVaInference }, { evaluateAnnotation: evaluate }, { openCellFile }, { methodLines }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/engine.js'),
      import('../../inference/evaluate-annotation.js'),
      import('../../data/readers/open.js'),
      import('../../tasks/finetune/methods.js'),
    ]);
    const cells = await openCellFile(data);
    try {
      const model = await ScDiVa.fromPretrained(checkpoint, { notice: say });
      try {
        const options = {
          labelMap: labelMap === undefined ? undefined : await readLabelMap(labelMap),
          reference,
          ...(await readingOf(flags)),
          threshold,
          batchSize,
          progress,
          signal,
        };
        const { annotation, ...result } = await evaluate(new ScDiVaInference({ model }), cells, label, options);
        const { numCells, numUnlabelled, unseen, scores, majorityClass, baselines, classes } = result;
        const { matrix: read, coverage } = annotation.source;
        const methods = [
          { title: 'model', runs: [scores] },
          { title: 'most frequent class', runs: [majorityClass] },
          ...baselines.filter(({ name }) => name !== 'majorityClass'),
        ];
        const columns = COLUMNS.filter(([metric]) => methods.some(({ runs }) => runs[0]![metric] !== undefined));
        const foreign = Object.entries(unseen).map(([name, n]) => `${name} (${n})`);
        return {
          json: {
            ...scores,
            numCells,
            numUnlabelled,
            numEmpty: result.numEmpty,
            unseen,
            threshold: annotation.threshold,
            baselines: { majorityClass, ...Object.fromEntries(baselines.map(({ name, runs }) => [name, runs[0]!])) },
            classes,
            matrix: read.key,
            valueKind: read.valueKind,
            geneCoverage: coverage.shareOfGenes,
            expressionCoverage: annotation.source.shareOfExpression,
          },
          text: [
            `${data}: ${numCells} labelled cells${numUnlabelled > 0 ? `, ${numUnlabelled} without a label left out` : ''}; ${coverage.numMatched} of ${coverage.numGenes} genes known, with ${(100 * annotation.source.shareOfExpression).toFixed(1)} % of the expression`,
            ...methodLines(methods, columns),
            ...(foreign.length > 0 ? [`labels the model was not trained on count as wrong: ${foreign.join(', ')}`] : []),
            ...annotation.source.notes,
          ].join('\n'),
        };
      } finally {
        model.dispose();
      }
    } finally {
      cells.close();
    }
  },
});

const COLUMNS: readonly MethodColumn[] = [
  ['accuracy', 'accuracy'],
  ['macroF1', 'macro-F1'],
  ['macroF1OfSeen', 'F1, seen types'],
  ['unknownAuroc', 'AUROC unseen'],
  ['unknownAurocByDistance', 'by distance'],
];

/** @throws DataError for a table of other than two columns */
async function readLabelMap(file: string): Promise<ReadonlyMap<string, string>> {
  const { readTextTable } = await import('../metrics/text-table.js');
  const { rows } = await readTextTable(file, ([first]) => first === 'label');
  if (rows[0]!.length !== 2) {
    const { DataError } = await import('../../errors.js');
    throw new DataError({ file, found: `${rows[0]!.length} columns`, expected: 'two: label of the file, label of the model' });
  }
  return new Map(rows.map(([from, to]) => [from!, to!]));
}
