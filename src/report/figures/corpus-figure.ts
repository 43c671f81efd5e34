import type { TopLevelSpec } from 'vega-lite';
import type { Histogram } from '../../data/corpus/cell-statistics.js';
import type { CorpusDescription, GeneDescription } from '../../data/corpus/describe.js';
import { SPLITS } from '../../data/corpus/manifest.js';
import { html, type Html } from '../html.js';
import { formatCount } from '../numbers.js';
import { ACCENT, ACCENT_2, INK, MUTED } from './palette.js';
import { renderSvg } from './svg.js';

/** One gene as a point: how many training cells express it, and how unevenly. */
export type GenePoint = Pick<GeneDescription, 'symbol' | 'ensemblId' | 'numCells' | 'entropy'>;

const [WIDTH, HEIGHT] = [360, 190];
/** More points than this hide each other; every n-th gene is drawn then. */
const MAX_POINTS = 1500;
const NUM_CLASSES_SHOWN = 20;

/**
 * What a corpus holds at a glance: genes a cell, library sizes, entropy of each gene against how many cells express it, and
 * the cells of each class by split.
 */
export async function drawCorpus(corpus: CorpusDescription, genes: readonly GenePoint[], id: string): Promise<Html> {
  const label = labelToDraw(corpus);
  const panels = [
    bars(corpus.histograms.genesPerCell, 'genes a cell', false),
    bars(corpus.histograms.librarySize, corpus.valueKind === 'counts' ? 'counts a cell (library size)' : `sum of a cell (${corpus.valueKind})`, true),
    geneCloud(corpus, genes),
    ...(label ? [classBars(label)] : []),
  ];
  const spec = {
    data: { values: [] },
    columns: 2,
    spacing: { row: 34, column: 44 },
    concat: panels,
    resolve: { legend: { color: 'independent' } },
  } as unknown as TopLevelSpec;
  const { genesPerCell, librarySize } = corpus;
  return renderSvg(spec, {
    id,
    title: `Cells and genes of ${corpus.corpus}`,
    description: `${formatCount(corpus.numCells)} cells; ${formatCount(genesPerCell.median)} genes and a sum of ${formatCount(Math.round(librarySize.median))} a cell in the median`,
  });
}

/** The figure as a file of its own: colours of a light page, a white ground. */
export function standaloneSvg(figure: Html, variables: string): string {
  return figure.text
    .replace(/^<svg /, '<svg xmlns="http://www.w3.org/2000/svg" ')
    .replace(/^(<svg [^>]*>)/, `$1${html`<style>svg{`.text}${variables}background:var(--surface);color:var(--ink)}</style>`);
}

function bars({ edges, counts }: Histogram, title: string, isLogarithmic: boolean): object {
  return {
    width: WIDTH,
    height: HEIGHT,
    data: { values: counts.map((cells, i) => ({ from: edges[i], to: edges[i + 1], cells })) },
    mark: { type: 'bar', color: ACCENT, binSpacing: 0.5, cornerRadius: 0 },
    encoding: {
      x: {
        field: 'from',
        type: 'quantitative',
        title,
        bin: { binned: true },
        axis: { tickCount: 5, format: '~s', labelFlush: false },
        scale: isLogarithmic ? { type: 'log', nice: false, domain: [edges[0], edges.at(-1)] } : { nice: false, zero: false },
      },
      x2: { field: 'to' },
      y: { field: 'cells', type: 'quantitative', title: 'cells', axis: { tickCount: 4, format: '~s' } },
    },
  };
}

function geneCloud({ splitCells, mostDiscriminative, mostEven }: CorpusDescription, genes: readonly GenePoint[]): object {
  const every = Math.ceil(genes.length / MAX_POINTS);
  const point = ({ numCells, entropy }: GenePoint) => ({ share: numCells / Math.max(1, splitCells.train), entropy });
  const named = [...mostDiscriminative.slice(0, 1), ...mostEven.slice(0, 1)].map((gene) => ({ ...point(gene), name: gene.symbol || gene.ensemblId }));
  const position = {
    x: {
      field: 'share',
      type: 'quantitative',
      title: 'training cells that express the gene',
      axis: { format: '~%', tickCount: 5, labelFlush: false },
      scale: { type: 'log', nice: false },
    },
    y: { field: 'entropy', type: 'quantitative', title: 'entropy (1: evenly in all cells)', scale: { zero: false }, axis: { tickCount: 5 } },
  };
  return {
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values: genes.filter(({ numCells }, i) => i % every === 0 && numCells > 0).map(point) },
        mark: { type: 'circle', color: ACCENT, size: 9, opacity: 0.35 },
        encoding: position,
      },
      { data: { values: named }, mark: { type: 'circle', color: ACCENT_2, size: 26, opacity: 1 }, encoding: position },
      {
        data: { values: named },
        mark: { type: 'text', align: 'right', dx: -6, dy: -7, fontSize: 11, color: INK },
        encoding: { ...position, text: { field: 'name' } },
      },
    ],
  };
}

/** The field that looks most like a cell type: named so, else the first one. */
function labelToDraw({ labels }: CorpusDescription): CorpusDescription['labels'][number] | undefined {
  return labels.find(({ key }) => /cell.?type|annot|label/i.test(key)) ?? labels.find(({ classes }) => classes.length > 1);
}

function classBars({ key, classes }: CorpusDescription['labels'][number]): object {
  const shown = classes.slice(0, NUM_CLASSES_SHOWN);
  return {
    width: WIDTH,
    height: HEIGHT,
    data: { values: shown.flatMap((entry) => SPLITS.map((split, order) => ({ name: entry.name, split, order, cells: entry[split] }))) },
    mark: { type: 'bar' },
    encoding: {
      y: {
        field: 'name',
        type: 'nominal',
        sort: null,
        title: null,
        axis: { labelColor: INK, labelLimit: 150, labelOverlap: false, labelFontSize: shown.length > 12 ? 9 : 11 },
      },
      x: {
        field: 'cells',
        type: 'quantitative',
        title: `cells by ${key}${classes.length > shown.length ? ` (${shown.length} largest of ${classes.length})` : ''}`,
        axis: { tickCount: 5, format: '~s', labelFlush: false },
      },
      order: { field: 'order' },
      color: {
        field: 'split',
        type: 'nominal',
        title: null,
        scale: { domain: [...SPLITS], range: [ACCENT, ACCENT_2, MUTED] },
        legend: { orient: 'bottom-right', symbolType: 'square' },
      },
    },
  };
}
