/**
 * What a report is made of: plain JSON, so that a run folder can keep it and the same page can be made again later.
 * Every section is optional; a pretraining run has no confusion matrix, and its page has none either.
 */
export interface ReportData {
  readonly title: string;
  /** One sentence under the title: what was done with what. */
  readonly subtitle?: string;
  readonly scores?: Scores;
  readonly training: readonly TrainingCurves[];
  readonly map?: CellMap;
  readonly classes?: ClassResults;
  readonly calibration?: Calibration;
  readonly dataCard?: DataCard;
  readonly modelCard?: ModelCard;
  readonly manifest: Manifest;
  /** What a reader must know to judge the numbers (a bounded number of steps, a small split …), one sentence each. */
  readonly notes: readonly string[];
}

/** The methods compared, all on the cells of one split. */
export interface Scores {
  readonly split: 'validation' | 'test';
  readonly numCells: number;
  /** The metric the verdict speaks of; a key of `Method.runs`. */
  readonly headline: string;
  readonly methods: readonly Method[];
}

export interface Method {
  readonly name: string;
  readonly kind: 'model' | 'baseline';
  /** How it was obtained, in a few words. */
  readonly note?: string;
  /** One entry per random seed: metric name (accuracy, macroF1 …) to value. A method without randomness has one. */
  readonly runs: readonly Readonly<Record<string, number>>[];
}

/** The curves of one training, drawn as small panels beside each other. */
export interface TrainingCurves {
  readonly name: string;
  readonly note?: string;
  readonly panels: readonly CurvePanel[];
}

export interface CurvePanel {
  readonly title: string;
  readonly yTitle: string;
  /** For values that fall by orders of magnitude, all above 0. */
  readonly isLogarithmic?: boolean;
  readonly series: readonly CurveSeries[];
}

export interface CurveSeries {
  readonly name: string;
  /** `steps`: one value a step, drawn as a running mean. `checks`: a value now and then, each marked. `level`: one constant. */
  readonly kind: 'steps' | 'checks' | 'level';
  readonly points: readonly (readonly [step: number, value: number])[];
}

/** Two-dimensional picture of the cell embeddings. All arrays have one entry per cell drawn. */
export interface CellMap {
  readonly method: string;
  readonly labelKey: string;
  /** Labels first; names that were only predicted (`unknown`) follow. */
  readonly classes: readonly string[];
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Index into `classes`, -1 = no label in the file. */
  readonly label: readonly number[];
  readonly predicted: readonly number[];
  /** Cells held out from training, pretraining included. */
  readonly isTest: readonly boolean[];
  /** Cells of the data set; more than are drawn when it was sampled. */
  readonly numCells: number;
}

/** Results per class on the scored split. */
export interface ClassResults {
  readonly classes: readonly string[];
  /** counts[true][predicted]. */
  readonly confusion: readonly (readonly number[])[];
  readonly scores: readonly ClassScore[];
  /** Which of several trainings this is. */
  readonly note?: string;
}

export interface ClassScore {
  readonly name: string;
  readonly numCells: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Confidence against the share that was right, in bins of confidence. */
export interface Calibration {
  readonly expectedCalibrationError: number;
  readonly bins: readonly { readonly confidence: number; readonly accuracy: number; readonly numCells: number }[];
  /** Below it a label is withheld; what that does to the cells of the split. */
  readonly threshold?: { readonly value: number; readonly shareUnknown: number; readonly accuracyOfKnown?: number };
}

export interface DataCard {
  readonly facts: readonly Fact[];
  readonly labelKey?: string;
  /** Cells of each label in each split. */
  readonly labels?: readonly { readonly name: string; readonly train: number; readonly validation: number; readonly test: number }[];
}

export interface ModelCard {
  readonly facts: readonly Fact[];
}

export interface Fact {
  readonly term: string;
  readonly value: string;
}

/** How the run was made, enough to make it again. */
export interface Manifest {
  readonly command?: string;
  readonly startedAt: string;
  readonly facts: readonly Fact[];
  readonly steps?: readonly { readonly name: string; readonly seconds: number; readonly isReused: boolean }[];
}
