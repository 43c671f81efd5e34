import { describe, expect, it } from 'vitest';
import { describeCorpus, describeGenes } from '../../src/data/corpus/describe.js';
import { corpusSvg, renderCorpusPage } from '../../src/report/corpus-page.js';
import { randomCells, smallCorpus, temporaryFolder } from '../support/small-corpus.js';

const newFolder = temporaryFolder('corpus-page');

async function corpusOf(types: string[]): Promise<Parameters<typeof corpusSvg>> {
  const corpus = await smallCorpus(await newFolder(), randomCells(1, 60, 30, { types }));
  return [describeCorpus(corpus), describeGenes(corpus)];
}

describe('the picture of a corpus', () => {
  it('stands alone, with a bar for every class in every split and a point for every gene', async () => {
    const [corpus, genes] = await corpusOf(['B', 'NK <56>', 'T']);
    const svg = await corpusSvg(corpus, genes);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
    expect(svg).toContain('NK &lt;56&gt;');
    for (const title of ['genes a cell', 'counts a cell (library size)', 'training cells that express the gene', 'cells by cell_type'])
      expect(svg).toContain(title);
    for (const variable of svg.matchAll(/var\((--[a-z0-9-]+)\)/g)) expect(svg).toContain(`${variable[1]}:#`);
    expect(svg.replace(/xmlns="[^"]*"/, '')).not.toMatch(/https?:|<script|href=/);
    expect(await corpusSvg(corpus, genes)).toBe(svg);
  });

  it('is drawn for a corpus without labels and with a single cell of each size', async () => {
    const corpus = await smallCorpus(await newFolder(), { ...randomCells(2, 3, 5), obs: {} });
    expect(await corpusSvg(describeCorpus(corpus), describeGenes(corpus))).not.toContain('cells by');
  });
});

describe('the page of a corpus', () => {
  it('shows sources, classes by split and genes, and loads nothing', async () => {
    const [corpus, genes] = await corpusOf(['B', 'T']);
    const page = await renderCorpusPage(corpus, genes);
    expect(page).toContain(corpus.fingerprint);
    for (const text of [...corpus.sources.map(({ file }) => file), corpus.mostDiscriminative[0]!.symbol, '<th scope="col" class="number">validation</th>'])
      expect(page).toContain(text);
    expect(page).not.toMatch(/<script|https?:|src=/);
  });
});
