import type { MethodColumn } from '../../tasks/finetune/methods.js';

/** How well made cells stand in for real ones. */
export const GENERATION_COLUMNS: readonly MethodColumn[] = [
  ['generatedMeanR2', 'R² of means'],
  ['generatedMeanPearson', 'r of means'],
  ['generatedSdPearson', 'r of sd'],
  ['generatedGenesRatio', 'genes shown'],
  ['twoSampleAuc', 'AUC neighbours'],
  ['twoSampleAucLinear', 'AUC linear'],
];
