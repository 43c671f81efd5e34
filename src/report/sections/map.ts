import type { CellMap, ReportData } from '../data.js';
import { drawCellMap } from '../figures/cell-map.js';
import { classColour } from '../figures/palette.js';
import { html, type Html } from '../html.js';
import { formatCount } from '../numbers.js';
import { figure, type Section } from './section.js';

/** The embedding as two maps with one legend. */
export async function mapSection({ map }: ReportData): Promise<Section | undefined> {
  if (!map) return undefined;
  const sampled = map.x.length < map.numCells ? ` ${formatCount(map.x.length)} of ${formatCount(map.numCells)} cells are drawn.` : '';
  return {
    id: 'map',
    title: 'Map of the cells',
    body: html`<div class="pair">
${figure(await drawCellMap(map, 'label', 'map-label'), html`By the label in the file (<code>${map.labelKey}</code>).`)}
${figure(await drawCellMap(map, 'predicted', 'map-predicted'), 'By the predicted label. Crosses: test cells where it differs from the label.')}
</div>
${legend(map)}
<p class="hint">${map.method} Outlined, strong dots are test cells, faint ones were used for training or validation.${sampled} Distances between far groups mean little in such a map.</p>`,
  };
}

function legend(map: CellMap): Html {
  return html`<ul class="legend" aria-label="Legend of both maps">${map.classes.map((name, i) => html`<li><span class="key" style="--key:${classColour(i)}">${i + 1}</span> ${name} <span class="detail">${map.label.filter((code) => code === i).length}</span></li>`)}</ul>`;
}
