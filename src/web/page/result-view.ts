import { UNKNOWN_LABEL } from '../../tasks/annotation/predictions.js';
import type { Analysis, Request } from '../messages.js';
import type { Colouring } from './colouring.js';
import { element, keyOf } from './key.js';
import { CellMap } from './map.js';

const at = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** What was found in one file: the map, its key, its controls. */
export class ResultView {
  private readonly ended = new AbortController();
  private readonly map: CellMap;
  private readonly colourings: ReadonlyMap<string, Colouring>;
  private readonly geneField = at<HTMLInputElement>('gene');
  private readonly geneMessage = at('gene-message');
  private readonly colour = at<HTMLSelectElement>('colour');
  private readonly save = at<HTMLButtonElement>('save');
  private expression: Colouring | undefined;

  constructor(
    private readonly analysis: Analysis,
    private readonly ask: (request: Request) => void,
  ) {
    const { signal } = this.ended;
    const { labels, numCells, fileName, map, facts, genes, columns } = analysis;
    this.colourings = new Map<string, Colouring>([
      ...(labels
        ? ([
            ['label', { kind: 'groups', title: 'cell type', ...labels }],
            [
              'confidence',
              { kind: 'numbers', title: 'Confidence of the most likely label, as calibrated in training', values: labels.confidence, low: 0, high: 1 },
            ],
          ] as [string, Colouring][])
        : []),
      ...columns.map(({ name, categories, codes }): [string, Colouring] => [`obs:${name}`, { kind: 'groups', title: name, categories, codes }]),
    ]);
    const numLabels = labels ? labels.categories.length - Number(labels.numUnknown > 0 && labels.categories.includes(UNKNOWN_LABEL)) : 0;
    at('result').hidden = false;
    at('result-heading').textContent = labels
      ? `${numCells.toLocaleString('en')} cells of ${fileName}, ${numLabels} labels${labels.numUnknown > 0 ? `, ${labels.numUnknown.toLocaleString('en')} withheld` : ''}`
      : `${numCells.toLocaleString('en')} cells of ${fileName}`;
    at('caption').textContent = map.method;
    at('facts').replaceChildren(...facts.map((fact) => element('li', { textContent: fact })));
    const names: Record<string, string> = { label: 'predicted label', confidence: 'confidence' };
    this.colour.replaceChildren(
      ...[...this.colourings.keys()].map((key) => element('option', { value: key, textContent: names[key] ?? `the file’s ${key.slice(4)}` })),
      element('option', { value: 'gene', textContent: 'expression of a gene' }),
    );
    at('genes').replaceChildren(...genes.map((name) => element('option', { value: name })));
    this.geneField.value = '';
    this.geneMessage.textContent = '';
    this.map = new CellMap(at<HTMLCanvasElement>('map'), at('tip'), map, (row) => this.describe(row), signal);
    this.colour.addEventListener('change', () => this.chooseColour(), { signal });
    this.geneField.addEventListener('change', () => this.chooseGene(), { signal });
    this.save.addEventListener('click', () => this.startSave(), { signal });
    this.saved();
    this.chooseColour();
    at('result').focus();
  }

  close(): void {
    this.ended.abort();
    at('result').hidden = true;
  }

  showExpression(gene: string, values: Float32Array): void {
    const numExpressing = values.reduce((n, value) => n + Number(value > 0), 0);
    this.geneMessage.textContent = `${gene}: in ${numExpressing.toLocaleString('en')} of ${values.length.toLocaleString('en')} cells.`;
    this.expression = {
      kind: 'numbers',
      title: `Expression of ${gene}, ln(1 + counts scaled to one depth)`,
      values,
      low: 0,
      high: values.reduce((most, value) => Math.max(most, value), 0),
    };
    this.show(this.expression);
  }

  saved(): void {
    this.save.disabled = false;
    this.save.textContent = 'Download .h5ad';
  }

  refused(of: 'gene' | 'save', message: string): void {
    if (of === 'save') this.saved();
    this.geneMessage.textContent = message;
  }

  private startSave(): void {
    this.save.disabled = true;
    this.save.textContent = 'Writing …';
    this.ask({ kind: 'save' });
  }

  private chooseColour(): void {
    const chosen = this.colour.value;
    if (chosen !== 'gene') return this.show(this.colourings.get(chosen)!);
    if (this.expression) return this.show(this.expression);
    this.geneMessage.textContent = 'Name a gene.';
    this.geneField.focus();
  }

  private chooseGene(): void {
    const typed = this.geneField.value.trim();
    const gene = this.analysis.genes.find((name) => name === typed) ?? this.analysis.genes.find((name) => name.toUpperCase() === typed.toUpperCase());
    if (typed === '') return;
    if (gene === undefined) {
      this.geneMessage.textContent = `${typed} is not among the ${this.analysis.genes.length.toLocaleString('en')} genes that both the file and the model have.`;
      return;
    }
    this.colour.value = 'gene';
    this.geneMessage.textContent = `Reading ${gene} …`;
    this.ask({ kind: 'gene', name: gene });
  }

  private show(colouring: Colouring): void {
    this.map.show(colouring);
    at('map').setAttribute('aria-label', `Map of the cells coloured by ${colouring.title}`);
    at('key').replaceChildren(keyOf(colouring, this.analysis.map.rows, (code) => this.map.show(colouring, code)));
  }

  private describe(row: number): string[] {
    const { labels, cellIds, columns } = this.analysis;
    const shown = this.colourings.get(this.colour.value);
    return [
      cellIds[row]!,
      ...(labels ? [`${labels.categories[labels.codes[row]!]}, confidence ${labels.confidence[row]!.toFixed(2)}`] : []),
      ...columns
        .filter(({ name }) => this.colour.value === `obs:${name}`)
        .map(({ name, categories, codes }) => `${name}: ${categories[codes[row]!] ?? 'none'}`),
      ...(!shown && this.expression?.kind === 'numbers' ? [`expression ${this.expression.values[row]!.toFixed(2)}`] : []),
    ];
  }
}
