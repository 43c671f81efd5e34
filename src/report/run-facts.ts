import { basename } from 'node:path';
import type { FileInspection } from '../data/inspect/inspect.js';
import type { Corpus } from '../data/corpus/corpus.js';
import type { CorpusManifest } from '../data/corpus/manifest.js';
import type { ModelConfig } from '../model/config.js';
import type { RunManifest } from '../train/run-manifest.js';
import type { DataCard, Fact } from './data.js';
import { formatCount, formatPercent } from './numbers.js';

/** What ran, on what machine, how it ended. */
export function runFacts({ seed, versions, host, status, step, totalSteps, bestStep }: RunManifest): Fact[] {
  return [
    {
      term: 'status',
      value: `${status} at step ${formatCount(step)} of ${formatCount(totalSteps)}${bestStep === undefined ? '' : `, best at step ${formatCount(bestStep)}`}`,
    },
    { term: 'seed', value: String(seed) },
    ...environmentFacts({ versions, host }),
  ];
}

export function environmentFacts({ versions, host }: Pick<RunManifest, 'versions' | 'host'>): Fact[] {
  const { cpu, numCores, memoryGb, platform } = host;
  return [
    ...Object.entries(versions).map(([name, value]) => ({ term: VERSION_NAMES[name] ?? name, value: String(value) })),
    { term: 'processor', value: `${cpu}, ${numCores} ${numCores === 1 ? 'core' : 'cores'}` },
    { term: 'memory', value: `${memoryGb} GB` },
    { term: 'system', value: String(platform) },
  ];
}

const VERSION_NAMES: Readonly<Record<string, string>> = { tensorflow: 'TensorFlow', gitCommit: 'commit', node: 'Node' };

/** The sizes of a model. */
export function modelFacts(
  { hiddenDim, numLayers, numHeads, ffnDim, maxGenes, dropout }: ModelConfig,
  { numParameters }: Pick<RunManifest, 'numParameters'>,
  vocabSize?: number,
): Fact[] {
  return [
    { term: 'parameters', value: formatCount(numParameters) },
    { term: 'hidden width', value: String(hiddenDim) },
    { term: 'layers', value: String(numLayers) },
    { term: 'attention heads', value: String(numHeads) },
    { term: 'feed-forward', value: String(ffnDim) },
    { term: 'genes a cell', value: `at most ${formatCount(maxGenes)}` },
    { term: 'dropout', value: String(dropout) },
    ...(vocabSize === undefined ? [] : [{ term: 'vocabulary', value: `${formatCount(vocabSize)} ids` }]),
  ];
}

type LabelCounts = NonNullable<DataCard['labels']>;

/** Cells of each label in each split; labels that no cell has are left out. */
export function labelCounts(corpus: Corpus, key: string): LabelCounts {
  const codes = corpus.labelCodes(key);
  const count = (split: 'train' | 'validation' | 'test') => {
    const sizes = corpus.labelNames(key).map(() => 0);
    for (const row of corpus.splitRows(split)) if (codes[row]! >= 0) sizes[codes[row]!]!++;
    return sizes;
  };
  const [train, validation, test] = [count('train'), count('validation'), count('test')];
  return corpus
    .labelNames(key)
    .flatMap((name, i) => (train[i]! + validation[i]! + test[i]! > 0 ? [{ name, train: train[i]!, validation: validation[i]!, test: test[i]! }] : []));
}

interface CardAsides {
  /** What the doctor found in the source file. */
  readonly inspection?: FileInspection | undefined;
  readonly labels?: { readonly key: string; readonly rows: LabelCounts } | undefined;
}

/** What the cells are and how they were divided. */
export function dataCard(manifest: CorpusManifest, { inspection, labels }: CardAsides): DataCard {
  const { sources, scale, splitCells, build, numCells, numGenes, statistics } = manifest;
  const dropped = sources.reduce((sum, { numCells: all, numCellsKept }) => sum + all - numCellsKept, 0);
  const { train, validation, test } = splitCells;
  return {
    facts: [
      ...sources.flatMap(({ file, sha256, matrix, numGenes: columns, numGenesMatched, expressionCoverage }) => [
        { term: 'file', value: basename(file) },
        { term: 'sha256', value: sha256 },
        { term: 'matrix read', value: inspection?.why ? `${matrix} (${inspection.why})` : matrix },
        {
          term: 'genes',
          value: `${formatCount(columns)}, of which ${formatCount(numGenesMatched)} in the vocabulary, with ${formatPercent(expressionCoverage)} of the expression`,
        },
      ]),
      {
        term: 'cells',
        value: `${formatCount(numCells)}${dropped > 0 ? `; ${formatCount(dropped)} were left out (fewer than ${build.minGenes} known genes)` : ''}`,
      },
      { term: 'vocabulary', value: `${formatCount(numGenes)} genes` },
      {
        term: 'values',
        value: `${scale.kind}${scale.targetSum === undefined ? '' : `, cells scaled to ${formatCount(scale.targetSum)}`}${scale.kind === 'log1p' && scale.targetSum === undefined ? ', scaled to a sum the file does not tell: taken as they are' : ''}`,
      },
      ...(inspection
        ? [
            { term: 'evidence', value: inspection.evidence },
            { term: 'gene ids', value: `${inspection.geneIdKind}${inspection.geneSpecies ? `, ${inspection.geneSpecies}` : ''}` },
          ]
        : []),
      {
        term: 'split',
        value: `${formatCount(train)} train, ${formatCount(validation)} validation, ${formatCount(test)} test${build.label ? `, within each ${build.label}` : ''}${build.splitBy ? `, by ${build.splitBy}` : ''}, seed ${build.seed}`,
      },
      { term: 'entropy table', value: `from the ${formatCount(statistics.numCells)} ${statistics.split} cells` },
    ],
    ...(labels && { labelKey: labels.key, labels: labels.rows }),
  };
}
