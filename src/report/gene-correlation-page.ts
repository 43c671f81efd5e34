import type { GeneMatrix, MatrixAgreement } from '../metrics/gene-correlation.js';
import { standaloneSvg } from './figures/corpus-figure.js';
import { drawHeatMap } from './figures/heat-map.js';
import { html } from './html.js';
import { formatScore } from './numbers.js';
import { figure, table } from './sections/section.js';
import { renderSheet } from './sheet.js';
import { LIGHT_COLOURS } from './style.js';

/** Genes a heat map has room for. */
const NUM_DRAWN = 60;
const WORDS: Readonly<Record<string, string>> = {
  geneEmbedding: 'rows of the gene embedding',
  contextual: 'states in the cells, averaged',
  reconstructed: 'values predicted for hidden genes',
  presence: 'no model: whether the gene is shown at all',
  otherHalf: 'no model: one half of the cells against the other',
};

export interface GeneCorrelationSheet {
  readonly subtitle: string;
  readonly genes: readonly string[];
  readonly raw: GeneMatrix;
  readonly matrices: Readonly<Record<string, GeneMatrix>>;
  readonly agreement: Readonly<Record<string, MatrixAgreement>>;
  readonly modules: { readonly raw: Int32Array; readonly contextual: Int32Array };
  readonly notes: readonly string[];
}

export const sourceName = (key: string): string => WORDS[key] ?? key;

/** The drawn genes: the first of each raw module, module by module. */
function drawnGenes({ genes, modules }: GeneCorrelationSheet): number[] {
  const numModules = Math.max(0, ...modules.raw) + 1;
  const each = Math.max(2, Math.floor(NUM_DRAWN / Math.max(1, numModules)));
  return Array.from({ length: numModules }, (_, module) =>
    genes
      .map((_, g) => g)
      .filter((g) => modules.raw[g] === module)
      .slice(0, each),
  )
    .flat()
    .slice(0, NUM_DRAWN);
}

async function heatMap(sheet: GeneCorrelationSheet, source: string) {
  const drawn = drawnGenes(sheet);
  const part = ({ numGenes, data }: GeneMatrix) => drawn.flatMap((a) => drawn.map((b) => data[a * numGenes + b]!));
  return drawHeatMap(
    {
      title: `Expression above the diagonal, ${sourceName(source)} below`,
      names: drawn.map((g) => sheet.genes[g]!),
      above: part(sheet.raw),
      below: part(sheet.matrices[source]!),
    },
    `heat-${source}`,
  );
}

export async function geneCorrelationSvg(sheet: GeneCorrelationSheet): Promise<string> {
  return `${standaloneSvg(await heatMap(sheet, 'contextual'), LIGHT_COLOURS)}\n`;
}

export async function renderGeneCorrelationPage(sheet: GeneCorrelationSheet): Promise<string> {
  const { subtitle, genes, matrices, agreement, modules, notes } = sheet;
  const list = (of: Int32Array) => Array.from({ length: Math.max(0, ...of) + 1 }, (_, module) => genes.filter((_, g) => of[g] === module));
  const figures = [];
  for (const source of Object.keys(matrices).filter((key) => key !== 'otherHalf' && key !== 'presence'))
    figures.push(
      figure(await heatMap(sheet, source), `Above the diagonal the correlation of expression, below it ${sourceName(source)}; genes by module.`, 'wide'),
    );
  const columns = [{ title: 'from' }, ...['Spearman', 'Pearson', 'shuffled, mean', 'shuffled, largest of 20'].map((title) => ({ title, isNumber: true }))];
  const moduleTable = (title: string, of: Int32Array) =>
    table(
      title,
      [{ title: 'module' }, { title: 'genes' }],
      list(of).map((members, i) => ({ cells: [String(i + 1), members.join(', ')] })),
    );
  return renderSheet({
    title: 'Gene-gene correlation',
    subtitle,
    sections: [
      {
        id: 'agreement',
        title: 'Agreement with expression',
        body: table(
          'Over all pairs of genes',
          columns,
          Object.entries(agreement).map(([key, one]) => ({
            cells: [sourceName(key), ...[one.spearman, one.pearson, one.nullMean, one.nullMax].map(formatScore)],
          })),
        ),
      },
      { id: 'maps', title: 'Heat maps', body: html`${figures}` },
      {
        id: 'modules',
        title: 'Modules',
        body: html`${moduleTable('Of the correlation of expression', modules.raw)}${moduleTable('Of the model’s states', modules.contextual)}`,
      },
      { id: 'notes', title: 'How to read this', body: html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>` },
    ],
  });
}
