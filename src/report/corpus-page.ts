import type { CorpusDescription, GeneDescription } from '../data/corpus/describe.js';
import { SPLITS, type SourceEntry } from '../data/corpus/manifest.js';
import { drawCorpus, standaloneSvg, type GenePoint } from './figures/corpus-figure.js';
import { html, Html, type HtmlValue } from './html.js';
import { formatCount, formatPercent } from './numbers.js';
import { LIGHT_COLOURS, STYLE } from './style.js';

const NUM_CLASSES_SHOWN = 60;

/** The figure of a corpus as an SVG file. */
export async function corpusSvg(corpus: CorpusDescription, genes: readonly GenePoint[]): Promise<string> {
  return `${standaloneSvg(await drawCorpus(corpus, genes, 'corpus'), LIGHT_COLOURS)}\n`;
}

/** What a corpus holds as one HTML document that loads nothing from elsewhere. The same corpus gives the same bytes. */
export async function renderCorpusPage(corpus: CorpusDescription, genes: readonly GenePoint[]): Promise<string> {
  const figure = await drawCorpus(corpus, genes, 'corpus');
  const { splitCells } = corpus;
  const title = `Corpus ${corpus.corpus}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<div class="page">
<header><h1>${title}</h1><p>${formatCount(corpus.numCells)} cells, ${formatCount(corpus.numGenes)} genes, ${formatCount(corpus.numValues)} values</p></header>
<main>
<section><h2>At a glance</h2>
<dl class="facts">${[
    ['values', `${corpus.valueKind}${corpus.targetSum === null ? '' : ` of cells scaled to ${formatCount(corpus.targetSum)}`}, stored as ${corpus.valueType}`],
    ['split', SPLITS.map((split) => `${split} ${formatCount(splitCells[split])}`).join(', ')],
    ['genes a cell', `${formatCount(corpus.genesPerCell.median)} in the median, ${formatCount(corpus.genesPerCell.min)} to ${formatCount(corpus.genesPerCell.max)}`],
    ['library size', `${formatCount(Math.round(corpus.librarySize.median))} in the median, ${formatCount(Math.round(corpus.librarySize.min))} to ${formatCount(Math.round(corpus.librarySize.max))}`],
    ['genes seen', `${formatCount(corpus.numGenesSeen)} in the training cells`],
    ['files', `${formatCount(corpus.numShards)} shards, ${formatCount(Math.round(corpus.sizeBytes / 2 ** 20))} MiB`],
    ['fingerprint', corpus.fingerprint],
  ].map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
<figure class="wide"><div class="drawing">${figure}</div><figcaption>Genes with low entropy are expressed by few kinds of cells: serialisation favours them.</figcaption></figure>
</section>
<section><h2>Sources</h2>${table(['file', 'values', 'cells kept', 'left out', 'genes matched', 'expression'], corpus.sources.map(sourceRow))}</section>
${corpus.labels.map(({ key, classes, numMissing }) => html`<section><h2>${key}</h2>
${table([key, ...SPLITS], classes.slice(0, NUM_CLASSES_SHOWN).map((entry) => [entry.name, ...SPLITS.map((split) => formatCount(entry[split]))]))}
${classes.length > NUM_CLASSES_SHOWN && html`<p class="hint">and ${formatCount(classes.length - NUM_CLASSES_SHOWN)} smaller ones</p>`}${numMissing > 0 && html`<p class="hint">${formatCount(numMissing)} cells without</p>`}</section>
`)}
<section><h2>Genes</h2>${table(['most discriminative', 'entropy', 'training cells'], corpus.mostDiscriminative.map(geneRow))}${table(['most even', 'entropy', 'training cells'], corpus.mostEven.map(geneRow))}</section>
</main>
<footer>Written by scdiva. This file stands alone: it loads nothing and can be sent or archived as it is.</footer>
</div>
</body>
</html>
`.text;
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
function table(head: readonly string[], rows: readonly (readonly HtmlValue[])[]): Html {
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${head.map((name, i) => (i === 0 ? html`<th scope="col">${name}</th>` : html`<th scope="col" class="number">${name}</th>`))}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((value, i) => (i === 0 ? html`<th scope="row">${value}</th>` : html`<td class="number">${value}</td>`))}</tr>`)}</tbody></table></div>`;
}
