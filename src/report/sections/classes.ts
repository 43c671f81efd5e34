import type { ReportData } from '../data.js';
import { drawCalibration } from '../figures/calibration.js';
import { drawConfusionMatrix } from '../figures/confusion-matrix.js';
import { html } from '../html.js';
import { formatPercent, formatScore } from '../numbers.js';
import { figure, table, type Section } from './section.js';

/** Which labels the model tells apart, and which it mixes up. */
export async function classSection({ classes, scores }: ReportData): Promise<Section | undefined> {
  if (!classes) return undefined;
  const columns = [
    { title: 'label' },
    { title: 'cells', isNumber: true },
    { title: 'precision', isNumber: true },
    { title: 'recall', isNumber: true },
    { title: 'F1', isNumber: true },
    { title: '' },
  ];
  const rows = classes.scores.map(({ name, numCells, precision, recall, f1 }) => ({
    cells: [
      name,
      numCells,
      formatScore(precision),
      formatScore(recall),
      formatScore(f1),
      html`<span class="bar" aria-hidden="true"><span style="width:${(f1 * 100).toFixed(0)}%"></span></span>`,
    ],
  }));
  const split = scores?.split ?? 'test';
  return {
    id: 'classes',
    title: 'Class by class',
    body: html`${table(`Precision, recall and F1 of each label on the ${split} split`, columns, rows)}
${figure(await drawConfusionMatrix(classes, 'confusion'), html`Confusion matrix: rows are true labels, columns predictions. Numbers are cells, the shade is the share of the row. ${classes.note}`, 'wide')}`,
  };
}

/** Whether the confidence beside each prediction can be believed. */
export async function calibrationSection({ calibration }: ReportData): Promise<Section | undefined> {
  if (!calibration) return undefined;
  const { threshold } = calibration;
  const remark =
    threshold &&
    html`<p>Cells labelled with a confidence below ${formatScore(threshold.value)} are marked <code>unknown</code>: ${formatPercent(threshold.shareUnknown)} of the test cells.${threshold.accuracyOfKnown !== undefined && ` Of the others, ${formatPercent(threshold.accuracyOfKnown)} have the right label.`} The scores above judge every cell's most likely label, withheld or not.</p>`;
  return {
    id: 'calibration',
    title: 'Confidence',
    body: html`${remark}${figure(
      await drawCalibration(calibration, 'calibration'),
      html`Test cells in bins of the confidence the model gave them; on the dashed line confidence and truth agree, below it the model is too sure. The numbers are cells. Expected calibration error: ${formatScore(calibration.expectedCalibrationError)}.`,
    )}`,
  };
}
