/** How metrics read in a table, and which way is better. Every metric a report shows is named here, variants apart. */
const METRICS: Readonly<Record<string, { readonly name: string; readonly isHigherBetter: boolean }>> = {
  macroF1: { name: 'macro-F1', isHigherBetter: true },
  accuracy: { name: 'accuracy', isHigherBetter: true },
  macroPrecision: { name: 'macro precision', isHigherBetter: true },
  macroRecall: { name: 'macro recall', isHigherBetter: true },
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
