import { columns } from '../inspect/describe.js';
import { number, thousands } from '../inspect/format.js';
import type { Corpus } from './corpus.js';
import { TEST, TRAIN, VALIDATION } from './split.js';
import { CellStatistics, type Histogram, type Quantiles } from './cell-statistics.js';
import { SPLITS, type CorpusManifest, type SourceEntry, type Split } from './manifest.js';

/** What a corpus holds. Plain data: this is what `scdiva data stats --json` prints. */
export interface CorpusDescription {
  readonly corpus: string;
  readonly fingerprint: string;
  readonly numCells: number;
  readonly numGenes: number;
  /** Genes that some training cell expresses. */
  readonly numGenesSeen: number;
  readonly numValues: number;
  readonly valueKind: CorpusManifest['scale']['kind'];
  readonly targetSum: number | null;
  readonly valueType: CorpusManifest['valueType'];
  readonly sizeBytes: number;
  readonly numShards: number;
  readonly splitCells: CorpusManifest['splitCells'];
  /** Quantiles over cells of the number of genes with a value. */
  readonly genesPerCell: Quantiles;
  /** The same of the sum of the whole source row, genes outside the vocabulary included; the quartiles to half a percent. */
  readonly librarySize: Quantiles;
  readonly histograms: { readonly genesPerCell: Histogram; readonly librarySize: Histogram };
  readonly labels: readonly LabelDescription[];
  readonly sources: CorpusManifest['sources'];
  /** Genes that serialisation favours most: lowest smoothed entropy over the training cells. */
  readonly mostDiscriminative: readonly GeneDescription[];
  /** Genes with the highest entropy: expressed evenly in the training cells. */
  readonly mostEven: readonly GeneDescription[];
}

export interface LabelDescription {
  readonly key: string;
  readonly numMissing: number;
  /** Cells of each class in each split, largest class first. */
  readonly classes: readonly ({ readonly name: string } & Readonly<Record<Split, number>>)[];
}

export interface GeneDescription {
  readonly symbol: string;
  readonly ensemblId: string;
  readonly numCells: number;
  readonly mean: number;
  readonly entropy: number;
}

const NUM_GENES_SHOWN = 12;

export function describeCorpus(corpus: Corpus): CorpusDescription {
  const { manifest, vocabulary, statistics, entropy } = corpus;
  const describeGene = (id: number): GeneDescription => ({
    ...vocabulary.gene(id),
    numCells: statistics.numDetected[id]!,
    mean: statistics.mean[id]!,
    entropy: entropy[id]!,
  });
  const seen = vocabulary.genes.map((_, i) => i + vocabulary.firstGeneId).filter((id) => statistics.numDetected[id]! > 0);
  const byEntropy = seen.sort((a, b) => entropy[a]! - entropy[b]! || a - b);
  const cells = new CellStatistics(manifest.obs.map(({ key, categories }) => ({ key, numCategories: categories.length })));
  for (const columns of corpus.cellColumns()) cells.add(columns);
  const [genesPerCell, librarySize] = [cells.genesPerCell(), cells.librarySize()];
  return {
    corpus: corpus.path,
    fingerprint: corpus.fingerprint,
    numCells: corpus.numCells,
    numGenes: manifest.numGenes,
    numGenesSeen: seen.length,
    numValues: manifest.numValues,
    valueKind: manifest.scale.kind,
    targetSum: manifest.scale.targetSum ?? null,
    valueType: manifest.valueType,
    sizeBytes: manifest.shards.reduce((sum, { bytes }) => sum + bytes, manifest.genes.bytes),
    numShards: manifest.shards.length,
    splitCells: manifest.splitCells,
    genesPerCell: genesPerCell.quantiles,
    librarySize: librarySize.quantiles,
    histograms: { genesPerCell: genesPerCell.histogram, librarySize: librarySize.histogram },
    labels: corpus.obsKeys.map((key) => describeLabel(key, corpus.labelNames(key), cells)),
    sources: manifest.sources,
    mostDiscriminative: byEntropy.slice(0, NUM_GENES_SHOWN).map(describeGene),
    mostEven: byEntropy.slice(-NUM_GENES_SHOWN).reverse().map(describeGene),
  };
}

/** Every gene of the vocabulary, in its order. */
export function describeGenes({ vocabulary, statistics, entropy }: Corpus): GeneDescription[] {
  return vocabulary.genes.map((gene, i) => {
    const id = i + vocabulary.firstGeneId;
    return { ...gene, numCells: statistics.numDetected[id]!, mean: statistics.mean[id]!, entropy: entropy[id]! };
  });
}

/** Per gene, over the training cells: how many express it, its mean log-normalised value and its smoothed entropy. */
export function genesTsv(genes: readonly GeneDescription[]): string {
  return `symbol\tensembl_id\tnum_cells\tmean\tentropy\n${genes.map(({ symbol, ensemblId, numCells, mean, entropy }) => `${symbol}\t${ensemblId}\t${numCells}\t${mean}\t${entropy}\n`).join('')}`;
}

function describeLabel(key: string, names: readonly string[], statistics: CellStatistics): LabelDescription {
  const { classes, missing } = statistics.classes(key);
  const described = names.map((name, i) => ({ name, train: classes[i]![TRAIN]!, validation: classes[i]![VALIDATION]!, test: classes[i]![TEST]! }));
  const size = (entry: (typeof described)[number]): number => entry.train + entry.validation + entry.test;
  return { key, numMissing: missing.reduce((a, b) => a + b, 0), classes: described.sort((a, b) => size(b) - size(a)) };
}

/** The quartiles are known to half a percent: no more digits than that. */
function roundedTotal(total: number): number {
  return total >= 100 ? Math.round(total) : Number(total.toPrecision(3));
}

function valuesOf(quantiles: Quantiles, round: (value: number) => number): Quantiles {
  return { min: round(quantiles.min), q25: round(quantiles.q25), median: round(quantiles.median), q75: round(quantiles.q75), max: round(quantiles.max) };
}

/** Rows of a class table shown before the rest is summed up. */
const NUM_CLASSES_SHOWN = 30;

/** A corpus as a page for people. */
export function corpusPage(found: CorpusDescription): string {
  const { genesPerCell: genes, librarySize, splitCells } = found;
  const library = valuesOf(librarySize, roundedTotal);
  return [
    `${found.corpus}: ${thousands(found.numCells)} cells × ${thousands(found.numGenes)} genes, ${thousands(found.numValues)} values`,
    '',
    ...columns([
      ['values', `${found.valueKind}${scaledTo(found)}, stored as ${found.valueType}`],
      ['files', `${found.numShards} ${found.numShards === 1 ? 'shard' : 'shards'}, ${number(found.sizeBytes / 2 ** 20)} MiB`],
      ['split', SPLITS.map((split) => `${split} ${thousands(splitCells[split])}`).join(', ')],
      [
        'genes a cell',
        `${thousands(genes.median)} in the median, ${thousands(genes.min)} to ${thousands(genes.max)}, half of the cells ${thousands(genes.q25)} to ${thousands(genes.q75)}`,
      ],
      [
        'library size',
        `${number(library.median)} in the median, ${number(library.min)} to ${number(library.max)}, half of the cells ${number(library.q25)} to ${number(library.q75)}`,
      ],
      ['genes seen', `${thousands(found.numGenesSeen)} in the training cells`],
    ]),
    '',
    'sources',
    ...sourcePage(found),
    ...found.labels.flatMap(labelTable),
    '',
    ...geneTable('most discriminative genes (low entropy; serialisation favours them)', found.mostDiscriminative),
    '',
    ...geneTable('most even genes (high entropy)', found.mostEven),
  ].join('\n');
}

/** More files than this are summed up. */
const NUM_SOURCES_SHOWN = 10;

function sourcePage(found: CorpusDescription): string[] {
  const { sources } = found;
  const shown = sources.length > NUM_SOURCES_SHOWN + 2 ? sources.slice(0, NUM_SOURCES_SHOWN) : sources;
  const lines = shown.flatMap(sourceLines(found));
  if (shown === sources) return lines;
  const total = (key: keyof SourceEntry): number => sources.reduce((sum, source) => sum + (source[key] as number), 0);
  const losses = LOSSES.flatMap(([key, words]) => (total(key) > 0 ? [`${thousands(total(key))} ${words}`] : []));
  const worst = sources.reduce((least, next) => (next.expressionCoverage < least.expressionCoverage ? next : least));
  return [
    ...lines,
    `  … and ${thousands(sources.length - shown.length)} more files (all of them with --json)`,
    `  in all ${thousands(sources.length)} files: ${thousands(total('numCellsKept'))} of ${thousands(total('numCells'))} cells${losses.length > 0 ? `; left out: ${losses.join(', ')}` : ''}`,
    `  smallest share of the expression covered: ${(100 * worst.expressionCoverage).toFixed(1)} % (${worst.file})`,
  ];
}

/** One paragraph a file: what was read, what its genes are known as, and every cell that is not in the corpus with the reason. */
function sourceLines({ valueKind, targetSum }: CorpusDescription): (source: SourceEntry) => string[] {
  return (source) => {
    const { scale } = source;
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    const isConverted = scale.kind !== valueKind || (scale.kind === 'log1p' && (scale.targetSum ?? null) !== targetSum && targetSum !== null);
    const losses = LOSSES.flatMap(([key, words]) => (source[key] > 0 ? [`${thousands(source[key])} ${words}`] : []));
    const lost = source.numGenes - source.numGenesMatched;
    return [
      `  ${source.file}: ${source.matrix}, ${scale.kind}${scale.targetSum === undefined ? '' : ` of cells scaled to ${number(scale.targetSum)}`}${isConverted ? `, converted to ${valueKind}` : ''}`,
      `    cells  ${thousands(source.numCellsKept)} of ${thousands(source.numCells)}${losses.length > 0 ? `; left out: ${losses.join(', ')}` : ''}`,
      `    genes  ${thousands(source.numGenesMatched)} of ${thousands(source.numGenes)} with ${percent(source.expressionCoverage)} of the expression${source.numGenesRenamed > 0 ? ` (${thousands(source.numGenesMatched - source.numGenesRenamed)} with ${percent(source.expressionCoverageAsNamed)} before other names were tried)` : ''}${source.numGenesMerged > 0 ? `; ${thousands(source.numGenesMerged)} added to a column of the same gene` : ''}${lost > 0 ? `; ${thousands(lost)} lost` : ''}`,
    ];
  };
}

const LOSSES = [
  ['numCellsFilteredByObs', 'by --keep and --drop'],
  ['numCellsDuplicate', 'duplicates'],
  ['numCellsWithoutGenes', 'without a gene of the vocabulary'],
  ['numCellsBelowMinGenes', 'below --min-genes'],
  ['numCellsBelowMinCounts', 'below --min-counts'],
  ['numCellsAboveMaxMito', 'above --max-mito'],
] as const satisfies readonly (readonly [keyof SourceEntry, string])[];

function scaledTo({ valueKind, targetSum }: CorpusDescription): string {
  if (targetSum !== null) return ` of cells scaled to ${number(targetSum)}`;
  return valueKind === 'log1p' ? ' of cells scaled to an unknown sum, taken as they are' : '';
}

function labelTable({ key, classes, numMissing }: LabelDescription): string[] {
  const shown = classes.slice(0, NUM_CLASSES_SHOWN);
  const rest = classes.length - shown.length;
  return [
    '',
    `obs['${key}']: ${classes.length} ${classes.length === 1 ? 'class' : 'classes'}${numMissing > 0 ? `, ${thousands(numMissing)} cells without` : ''}`,
    ...columns([['', ...SPLITS], ...shown.map((entry) => [`  ${entry.name}`, ...SPLITS.map((split) => thousands(entry[split]))])]),
    ...(rest > 0 ? [`  … and ${rest} smaller ones`] : []),
  ];
}

function geneTable(title: string, genes: readonly GeneDescription[]): string[] {
  return [
    title,
    ...columns(
      genes.map(({ symbol, ensemblId, numCells, mean, entropy }) => [
        `  ${symbol || ensemblId}`,
        `entropy ${entropy.toFixed(3)}`,
        `mean ${number(mean)}`,
        `${thousands(numCells)} cells`,
      ]),
    ),
  ];
}
