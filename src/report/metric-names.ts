/** How metrics read in a table, and which way is better. Every metric a report shows is named here, variants apart. */
const METRICS: Readonly<Record<string, { readonly name: string; readonly isHigherBetter: boolean }>> = {
  macroF1: { name: 'macro-F1', isHigherBetter: true },
  accuracy: { name: 'accuracy', isHigherBetter: true },
  macroPrecision: { name: 'macro precision', isHigherBetter: true },
  macroRecall: { name: 'macro recall', isHigherBetter: true },
  pearsonDelta: { name: 'Pearson Δ', isHigherBetter: true },
  pearsonDeltaTop20De: { name: 'Pearson Δ, top 20 DE', isHigherBetter: true },
  pearsonDeltaPerturbedMean: { name: 'Pearson Δ from the perturbed mean (Systema)', isHigherBetter: true },
  pearsonDeltaPerturbedMeanTop20De: { name: 'the same, top 20 DE', isHigherBetter: true },
  pearsonMeanTop20De: { name: 'Pearson of means, top 20 DE', isHigherBetter: true },
  mse: { name: 'MSE of means', isHigherBetter: false },
  mseTop20De: { name: 'MSE of means, top 20 DE', isHigherBetter: false },
  deAuprc: { name: 'DE-AUPRC', isHigherBetter: true },
  lfcSpearman: { name: 'LFC Spearman', isHigherBetter: true },
  hitRate20: { name: 'HR@20', isHigherBetter: true },
  deOverlap20: { name: 'DE overlap@20', isHigherBetter: true },
  deOverlap50: { name: 'DE overlap@50', isHigherBetter: true },
  deOverlap100: { name: 'DE overlap@100', isHigherBetter: true },
  meanCollapseIndex: { name: 'collapse index (1 = as varied as the truth)', isHigherBetter: true },
  energyDistancePca50: { name: 'energy distance, 50 PCs', isHigherBetter: false },
  numPerturbations: { name: 'perturbations', isHigherBetter: true },
  macroF1OfSeen: { name: 'macro-F1, seen types', isHigherBetter: true },
  unknownAuroc: { name: 'AUROC of unseen types, confidence', isHigherBetter: true },
  unknownAurocByDistance: { name: 'AUROC of unseen types, distance', isHigherBetter: true },
  elbo: { name: 'ELBO, nats a cell', isHigherBetter: true },
  reconstructionLoss: { name: 'nll, nats a cell', isHigherBetter: false },
  klLoss: { name: 'KL, nats a cell', isHigherBetter: false },
  numActiveUnits: { name: 'active latent dimensions', isHigherBetter: true },
  reconstructionR2: { name: 'R² of rebuilt cells', isHigherBetter: true },
  generatedMeanR2: { name: 'R² of gene means, made cells', isHigherBetter: true },
  generatedMeanPearson: { name: 'Pearson of gene means, made cells', isHigherBetter: true },
  generatedSdPearson: { name: 'Pearson of gene deviations, made cells', isHigherBetter: true },
  generatedGenesRatio: { name: 'genes shown, made / real', isHigherBetter: true },
  twoSampleAuc: { name: 'real against made, AUC of neighbours (0.5 = alike)', isHigherBetter: false },
  twoSampleAucLinear: { name: 'the same, linear', isHigherBetter: false },
  proteinPearson: { name: 'Pearson of proteins', isHigherBetter: true },
  proteinRmse: { name: 'RMSE of proteins', isHigherBetter: false },
  expectedCalibrationError: { name: 'calibration error', isHigherBetter: false },
};

/** Columns of a score table, in reading order, for the metrics that are there. */
export function orderMetrics(present: ReadonlySet<string>): string[] {
  const known = Object.keys(METRICS).filter((key) => present.has(key));
  return [...known, ...[...present].filter((key) => !(key in METRICS)).sort()];
}

export function metricName(key: string): string {
  return METRICS[key]?.name ?? key;
}

export function isHigherBetter(key: string): boolean {
  return METRICS[key]?.isHigherBetter ?? true;
}
