import { html, type Html, type HtmlValue } from '../html.js';
import type { Fact } from '../data.js';

/** One part of the page, reachable from the list of contents. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

export function figure(drawing: Html, caption: HtmlValue, kind = ''): Html {
  return html`<figure class="${kind}"><div class="drawing">${drawing}</div><figcaption>${caption}</figcaption></figure>`;
}

export interface Column {
  readonly title: HtmlValue;
  readonly isNumber?: boolean;
  /** A class of the style sheet for every cell of it. */
  readonly kind?: string;
}

/** A table with a caption for screen readers, column headers, and the first cell of each row as its header. */
export function table(caption: string, columns: readonly Column[], rows: readonly { readonly cells: readonly HtmlValue[]; readonly kind?: string }[]): Html {
  const cellClass = (i: number) => [columns[i]?.isNumber && 'number', columns[i]?.kind].filter(Boolean).join(' ');
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${columns.map((column, i) => html`<th scope="col" class="${cellClass(i)}">${column.title}</th>`)}</tr></thead>
<tbody>${rows.map(
    ({
      cells,
      kind,
    }) => html`<tr class="${kind ?? ''}">${cells.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${cellClass(i)}">${cell}</td>`))}</tr>
`,
  )}</tbody></table></div>`;
}

export function facts(entries: readonly Fact[]): Html {
  return html`<dl class="facts">${entries.map(({ term, value }) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}
