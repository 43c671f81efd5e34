import type { ReportData } from '../../src/report/data.js';
import { Rng } from '../../src/rng.js';

const CLASSES = [
  'CD4+/CD25 T Reg',
  'CD4+/CD45RA+/CD25- Naive T',
  'CD4+/CD45RO+ Memory',
  'CD8+ Cytotoxic T',
  'CD8+/CD45RA+ Naive Cytotoxic',
  'CD14+ Monocyte',
  'CD19+ B',
  'CD34+',
  'CD56+ NK',
  'Dendritic <"myeloid"> & friends',
];
const SIZES = [14, 8, 6, 11, 9, 26, 19, 5, 7, 48];

/** A complete report over made-up cells: every section present, one label that would break a page that does not escape. */
export function exampleReport(numCells = 700): ReportData {
  const rng = Rng.fromSeed(11);
  const total = SIZES.reduce((sum, size) => sum + size, 0);
  const cells = Array.from({ length: numCells }, (_, cell) => {
    let draw = rng.int(total);
    const label = SIZES.findIndex((size) => (draw -= size) < 0);
    const angle = (label / CLASSES.length) * 2 * Math.PI;
    const isTest = cell % 5 === 0;
    const predicted = rng.uniform() < 0.82 ? label : rng.int(CLASSES.length);
    return { x: 6 * Math.cos(angle) + rng.normal(), y: 6 * Math.sin(angle) + rng.normal(), label, predicted, isTest };
  });
  const confusion = CLASSES.map((_, i) => CLASSES.map((_, j) => cells.filter((cell) => cell.isTest && cell.label === i && cell.predicted === j).length));
  const scores = CLASSES.map((name, i) => {
    const numTrue = confusion[i]!.reduce((sum, count) => sum + count, 0);
    const numPredicted = confusion.reduce((sum, row) => sum + row[i]!, 0);
    const precision = confusion[i]![i]! / (numPredicted || 1);
    const recall = confusion[i]![i]! / (numTrue || 1);
    return { name, numCells: numTrue, precision, recall, f1: precision + recall ? (2 * precision * recall) / (precision + recall) : 0 };
  });
  const steps = Array.from({ length: 600 }, (_, i) => i + 1);
  const run = (macroF1: number, accuracy: number) => ({
    macroF1,
    accuracy,
    macroPrecision: macroF1 + 0.01,
    macroRecall: macroF1 - 0.012,
    expectedCalibrationError: 0.061,
  });
  return {
    title: 'ScDiVa on pbmc68k',
    subtitle: 'A small model, pretrained and fine-tuned to annotate cells on this machine, beside three baselines.',
    scores: {
      split: 'test',
      numCells: 140,
      headline: 'macroF1',
      methods: [
        {
          name: 'ScDiVa, last layers',
          kind: 'model',
          note: 'pretrained, then the last 2 layers and a head',
          runs: [run(0.712, 0.807), run(0.731, 0.814), run(0.698, 0.793)],
        },
        { name: 'ScDiVa, head only', kind: 'model', note: 'pretrained layers frozen', runs: [run(0.644, 0.771), run(0.651, 0.764), run(0.629, 0.757)] },
        {
          name: 'logistic regression',
          kind: 'baseline',
          note: 'on log-normalised expression',
          runs: [{ macroF1: 0.742, accuracy: 0.829, macroPrecision: 0.76, macroRecall: 0.739 }],
        },
        {
          name: 'kNN on PCA',
          kind: 'baseline',
          note: '15 neighbours, 50 components',
          runs: [{ macroF1: 0.655, accuracy: 0.786, macroPrecision: 0.7, macroRecall: 0.641 }],
        },
        { name: 'majority class', kind: 'baseline', runs: [{ macroF1: 0.051, accuracy: 0.343, macroPrecision: 0.034, macroRecall: 0.1 }] },
      ],
    },
    training: [
      {
        name: 'Pretraining',
        note: 'On the cells of the train split; validation on the validation split.',
        panels: [
          {
            title: 'Gene identity: cross-entropy at masked positions',
            yTitle: 'cross-entropy (nats)',
            series: [
              { name: 'train', kind: 'steps', points: steps.map((step) => [step, 4.6 + 2.1 * Math.exp(-step / 120) + 0.12 * rng.normal()] as const) },
              { name: 'validation', kind: 'checks', points: [50, 150, 250, 350, 450, 550].map((step) => [step, 4.7 + 2 * Math.exp(-step / 120)] as const) },
              { name: 'unigram baseline', kind: 'level', points: [[0, 5.93]] },
            ],
          },
          {
            title: 'Value: squared error at masked positions',
            yTitle: 'mean squared error',
            series: [
              { name: 'train', kind: 'steps', points: steps.map((step) => [step, 0.3 + Math.exp(-step / 40) + 0.03 * rng.normal()] as const) },
              { name: 'validation', kind: 'checks', points: [50, 150, 250, 350, 450, 550].map((step) => [step, 0.33 + Math.exp(-step / 40)] as const) },
            ],
          },
        ],
      },
    ],
    map: {
      method: 'UMAP of the cell embeddings (15 neighbours, cosine distance).',
      labelKey: 'bulk_labels',
      classes: CLASSES,
      x: cells.map(({ x }) => x),
      y: cells.map(({ y }) => y),
      label: cells.map(({ label }) => label),
      predicted: cells.map(({ predicted }) => predicted),
      isTest: cells.map(({ isTest }) => isTest),
      numCells,
    },
    classes: { classes: CLASSES, confusion, scores, note: 'Seed 0 of 3.' },
    calibration: {
      expectedCalibrationError: 0.061,
      threshold: { value: 0.412, shareUnknown: 0.064, accuracyOfKnown: 0.84 },
      bins: [0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95].map((confidence, i) => ({
        confidence,
        accuracy: Math.min(1, confidence * 0.93 + 0.02),
        numCells: [3, 5, 6, 9, 12, 18, 30, 57][i]!,
      })),
    },
    dataCard: {
      facts: [
        { term: 'file', value: '10x_pbmc68k_reduced.h5ad' },
        { term: 'sha256', value: 'e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f' },
        { term: 'cells', value: '700' },
        { term: 'genes', value: '765, 765 in the vocabulary' },
        { term: 'values', value: 'log1p, read from raw/X' },
        { term: 'evidence', value: 'expm1 of each row sums to the same total; X holds negative values (scaled)' },
      ],
      labelKey: 'bulk_labels',
      labels: CLASSES.map((name, i) => ({ name, train: SIZES[i]! * 4, validation: SIZES[i]! - 2, test: SIZES[i]! })),
    },
    modelCard: {
      facts: [
        { term: 'parameters', value: '521 344' },
        { term: 'hidden width', value: '96' },
        { term: 'layers', value: '4' },
        { term: 'heads', value: '4' },
      ],
    },
    manifest: {
      command: 'scdiva quickstart --out runs/quickstart --seed 7',
      startedAt: '2025-01-01T10:00:00.000Z',
      facts: [
        { term: 'seed', value: '7' },
        { term: 'scdiva', value: '0.1.0' },
        { term: 'TensorFlow', value: '2.21.0 (native)' },
        { term: 'machine', value: '2 cores, 24 GB, linux x64' },
      ],
      steps: [
        { name: 'read and check the cells', seconds: 1.3, isReused: false },
        { name: 'build the corpus', seconds: 2.1, isReused: true },
        { name: 'pretrain', seconds: 81, isReused: false },
      ],
    },
    notes: [
      'Cells of the test split were used by no training step, pretraining included.',
      'The data set is small: classes with a handful of test cells move macro-F1 by several points.',
    ],
  };
}
