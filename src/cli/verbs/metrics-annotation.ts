import { DataError } from '../../errors.js';
import { defineVerb } from '../verb.js';

/** Stands for a cell without a prediction. */
const UNANSWERED = '(none)';

/** `scdiva metrics annotation FILE`: predicted against true labels. */
export const metricsAnnotation = defineVerb({
  command: 'annotation <file>',
  describe: 'predicted against true cell types',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: '.h5ad, or .csv with one line a cell' })
      .option('true', { type: 'string', demandOption: true, describe: 'column of the true labels; cells without one are left out' })
      .option('predicted', { type: 'string', demandOption: true, describe: 'column of the predicted labels; cells without one count as wrong' })
      .option('confidence', { type: 'string', describe: 'column of the predicted label’s probability: adds the calibration error' }),
  async run({ file, true: trueKey, predicted: predictedKey, confidence: confidenceKey }) {
    const [{ openCellTable, encode }, { confusionMatrix }, { classificationScores, classScores }, { expectedCalibrationError }, { plainNumbers, scoreTable }] =
      await Promise.all([
        import('../metrics/cell-table.js'),
        import('../../metrics/confusion.js'),
        import('../../metrics/classification.js'),
        import('../../metrics/calibration.js'),
        import('../metrics/score-lines.js'),
      ]);
    const table = await openCellTable(file);
    try {
      const truth = table.column(trueKey);
      const predicted = table.column(predictedKey);
      const kept = truth.flatMap((label, i) => (label === null ? [] : [i]));
      if (kept.length === 0) throw new DataError({ file, key: trueKey, found: 'no cell has a label', expected: 'true labels' });
      const answers = kept.map((i) => predicted[i] ?? UNANSWERED);
      const { codes, names } = encode([...kept.map((i) => truth[i]!), ...answers]);
      const [trueCodes, predictedCodes] = [codes.subarray(0, kept.length), codes.subarray(kept.length)];
      const matrix = confusionMatrix(trueCodes, predictedCodes, names.length);
      const scores = classificationScores(matrix);
      const classes = classScores(matrix).map(({ classCode, ...score }) => ({ name: names[classCode]!, ...score }));
      if (!classes.some(({ support, numPredicted }) => support > 0 && numPredicted > 0)) {
        throw new DataError({
          file,
          key: predictedKey,
          found: `no label in common with ${trueKey} (predicted ${example(classes, 'numPredicted')}; true ${example(classes, 'support')})`,
          expected: 'the same names on both sides',
        });
      }
      const confidence = confidenceKey === undefined ? undefined : kept.map((i) => table.numbers(confidenceKey)[i]!);
      const wrong = confidence?.find((p) => !(p >= 0 && p <= 1));
      if (wrong !== undefined) throw new DataError({ file, key: confidenceKey, found: `${wrong}`, expected: 'probabilities, 0 to 1' });
      const calibration = confidence && {
        expectedCalibrationError: expectedCalibrationError(
          confidence,
          kept.map((_, i) => (trueCodes[i] === predictedCodes[i] ? 1 : 0)),
        ),
      };
      const numUnanswered = answers.filter((answer) => answer === UNANSWERED).length;
      const width = Math.max(...names.map((name) => name.length));
      return {
        json: {
          ...plainNumbers(scores),
          ...calibration,
          numCells: kept.length,
          numUnlabelled: truth.length - kept.length,
          numUnanswered,
          numClasses: names.length,
          classes,
        },
        text: [
          `${file}: ${kept.length} cells, ${predictedKey} against ${trueKey}${truth.length > kept.length ? `; ${truth.length - kept.length} without a true label left out` : ''}${numUnanswered > 0 ? `; ${numUnanswered} without a prediction count as wrong, as a label of their own` : ''}`,
          '',
          ...scoreTable(
            [''],
            [
              { name: 'accuracy', values: [scores.accuracy], meaning: 'share of cells with the right label ↑' },
              { name: 'macroF1', values: [scores.macroF1], meaning: 'mean over classes, true or predicted, each counting alike ↑' },
              { name: 'macroPrecision', values: [scores.macroPrecision], meaning: '↑' },
              { name: 'macroRecall', values: [scores.macroRecall], meaning: '↑' },
              ...(calibration
                ? [{ name: 'expectedCalibrationError', values: [calibration.expectedCalibrationError], meaning: '|accuracy - confidence| in 15 bins ↓' }]
                : []),
            ],
          ),
          '',
          `${'class'.padEnd(width)}   cells  predicted  precision  recall     F1`,
          ...classes.map(
            (c) =>
              `${c.name.padEnd(width)}  ${String(c.support).padStart(6)}  ${String(c.numPredicted).padStart(9)}  ${c.precision.toFixed(3).padStart(9)}  ${c.recall.toFixed(3).padStart(6)}  ${c.f1.toFixed(3).padStart(5)}`,
          ),
        ].join('\n'),
      };
    } finally {
      table.close();
    }
  },
});

function example(
  classes: readonly { readonly name: string; readonly support: number; readonly numPredicted: number }[],
  side: 'support' | 'numPredicted',
): string {
  return `'${classes.find((c) => c[side] > 0)?.name ?? ''}', …`;
}
