import { defineVerb } from '../verb.js';

export const evaluateAnnotation = defineVerb({
  command: 'annotation',
  describe: 'score a fine-tuned model on the labels of a file, beside always guessing the most frequent class',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune annotation wrote' })
      .option('data', { type: 'string', demandOption: true, describe: 'file of cells with labels' })
      .option('label', { type: 'string', demandOption: true, describe: 'obs column with the true labels' })
      .option('matrix', { type: 'string', describe: 'X, raw/X or layers/<name> [the one scdiva data inspect names]' })
      .option('orthologs', { type: 'string', requiresArg: true, describe: 'table of human orthologs: reads mouse (or other) genes as human ones, one-to-one' })
      .option('threshold', { type: 'number', describe: 'smallest confidence of a label [the checkpoint’s]' })
      .option('batch-size', { type: 'number', describe: 'cells computed at once' }),
  async run({ checkpoint, data, label, matrix, orthologs, threshold, batchSize }, { progress, signal, say }) {
    const [{ orthologsOf }, { ScDiVa }, { ScDiVaInference }, { evaluateAnnotation: evaluate }, { openCellFile }] = await Promise.all([
      import('../build-flags.js'),
      import('../../inference/scdiva.js'),
      import('../../inference/engine.js'),
      import('../../inference/evaluate-annotation.js'),
      import('../../data/readers/open.js'),
    ]);
    const cells = await openCellFile(data);
    try {
      const model = await ScDiVa.fromPretrained(checkpoint, { notice: say });
      try {
        const { annotation, ...result } = await evaluate(new ScDiVaInference({ model }), cells, label, { matrix, orthologs: await orthologsOf(orthologs), threshold, batchSize, progress, signal });
        const { numCells, numUnlabelled, unseen, scores, majorityClass, classes } = result;
        const { matrix: read, coverage } = annotation.source;
        const line = (name: string, { accuracy, macroF1 }: Readonly<Record<string, number>>) => `${name.padEnd(20)}  accuracy ${accuracy!.toFixed(3)}  macro-F1 ${macroF1!.toFixed(3)}`;
        const foreign = Object.entries(unseen).map(([name, n]) => `${name} (${n})`);
        return {
          json: { ...scores, numCells, numUnlabelled, numEmpty: result.numEmpty, unseen, threshold: annotation.threshold, baselines: { majorityClass }, classes, matrix: read.key, valueKind: read.valueKind, geneCoverage: coverage.shareOfGenes, expressionCoverage: annotation.source.shareOfExpression },
          text: [
            `${data}: ${numCells} labelled cells${numUnlabelled > 0 ? `, ${numUnlabelled} without a label left out` : ''}; ${coverage.numMatched} of ${coverage.numGenes} genes known, with ${(100 * annotation.source.shareOfExpression).toFixed(1)} % of the expression`,
            line('model', scores),
            line('most frequent class', majorityClass),
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

