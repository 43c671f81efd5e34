import type { CorpusDescription, GeneDescription } from '../data/corpus/describe.js';
import { SPLITS, type SourceEntry } from '../data/corpus/manifest.js';
import { drawCorpus, standaloneSvg, type GenePoint } from './figures/corpus-figure.js';
import type { Fact } from './data.js';
import { html, type Html, type HtmlValue } from './html.js';
import { formatCount, formatPercent } from './numbers.js';
import { facts, figure, table } from './sections/section.js';
import { renderSheet } from './sheet.js';
import { LIGHT_COLOURS } from './style.js';

const NUM_CLASSES_SHOWN = 60;

/** The figure of a corpus as an SVG file. */
export async function corpusSvg(corpus: CorpusDescription, genes: readonly GenePoint[]): Promise<string> {
  return `${standaloneSvg(await drawCorpus(corpus, genes, 'corpus'), LIGHT_COLOURS)}\n`;
}

/** What a corpus holds as one HTML document that loads nothing from elsewhere. The same corpus gives the same bytes. */
export async function renderCorpusPage(corpus: CorpusDescription, genes: readonly GenePoint[]): Promise<string> {
  const drawing = await drawCorpus(corpus, genes, 'corpus');
  return renderSheet({
    title: `Corpus ${corpus.corpus}`,
    subtitle: `${formatCount(corpus.numCells)} cells, ${formatCount(corpus.numGenes)} genes, ${formatCount(corpus.numValues)} values`,
    sections: [
      {
        id: 'glance',
        title: 'At a glance',
        body: html`${facts(glance(corpus))}
${figure(drawing, 'Genes with low entropy are expressed by few kinds of cells: serialisation favours them.', 'wide')}`,
      },
      {
        id: 'sources',
        title: 'Sources',
        body: counts('Sources', ['file', 'values', 'cells kept', 'left out', 'genes matched', 'expression'], corpus.sources.map(sourceRow)),
      },
      ...corpus.labels.map((label, i) => ({ id: `label-${i}`, title: label.key, body: labelTable(label) })),
      {
        id: 'genes',
        title: 'Genes',
        body: html`${counts('Most discriminative genes', ['most discriminative', 'entropy', 'training cells'], corpus.mostDiscriminative.map(geneRow))}${counts('Most even genes', ['most even', 'entropy', 'training cells'], corpus.mostEven.map(geneRow))}`,
      },
    ],
  });
}

function glance(corpus: CorpusDescription): Fact[] {
  const round = (value: number): string => formatCount(Math.round(value));
  return [
    {
      term: 'values',
      value: `${corpus.valueKind}${corpus.targetSum === null ? '' : ` of cells scaled to ${formatCount(corpus.targetSum)}`}, stored as ${corpus.valueType}`,
    },
    { term: 'split', value: SPLITS.map((split) => `${split} ${formatCount(corpus.splitCells[split])}`).join(', ') },
    {
      term: 'genes a cell',
      value: `${formatCount(corpus.genesPerCell.median)} in the median, ${formatCount(corpus.genesPerCell.min)} to ${formatCount(corpus.genesPerCell.max)}`,
    },
    { term: 'library size', value: `${round(corpus.librarySize.median)} in the median, ${round(corpus.librarySize.min)} to ${round(corpus.librarySize.max)}` },
    { term: 'genes seen', value: `${formatCount(corpus.numGenesSeen)} in the training cells` },
    { term: 'files', value: `${formatCount(corpus.numShards)} shards, ${round(corpus.sizeBytes / 2 ** 20)} MiB` },
    { term: 'fingerprint', value: corpus.fingerprint },
  ];
}

function labelTable({ key, classes, numMissing }: CorpusDescription['labels'][number]): Html {
  const rows = classes.slice(0, NUM_CLASSES_SHOWN).map((entry) => [entry.name, ...SPLITS.map((split) => formatCount(entry[split]))]);
  return html`${counts(key, [key, ...SPLITS], rows)}
${classes.length > NUM_CLASSES_SHOWN && html`<p class="hint">and ${formatCount(classes.length - NUM_CLASSES_SHOWN)} smaller ones</p>`}${numMissing > 0 && html`<p class="hint">${formatCount(numMissing)} cells without</p>`}`;
}

function sourceRow(source: SourceEntry): HtmlValue[] {
  return [
    source.file,
    `${source.matrix}, ${source.scale.kind}`,
    formatCount(source.numCellsKept),
    formatCount(source.numCells - source.numCellsKept),
    `${formatCount(source.numGenesMatched)} of ${formatCount(source.numGenes)}`,
    formatPercent(source.expressionCoverage),
  ];
}

function geneRow({ symbol, ensemblId, entropy, numCells }: GeneDescription): HtmlValue[] {
  return [symbol || ensemblId, entropy.toFixed(3), formatCount(numCells)];
}

/** First column words, the others numbers. */
function counts(caption: string, head: readonly string[], rows: readonly (readonly HtmlValue[])[]): Html {
  return table(
    caption,
    head.map((title, i) => ({ title, isNumber: i > 0 })),
    rows.map((cells) => ({ cells })),
  );
}
