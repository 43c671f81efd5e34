import type { ReportData } from '../data.js';
import { drawCurves } from '../figures/curves.js';
import { html, type Html } from '../html.js';
import { figure, type Section } from './section.js';

/** Loss and score curves of every training of the run. */
export async function trainingSection({ training }: ReportData): Promise<Section | undefined> {
  const parts: Html[] = [];
  for (const [i, curves] of training.entries()) {
    const panels: Html[] = [];
    for (const [j, panel] of curves.panels.entries()) panels.push(figure(await drawCurves(panel, `curves-${i}-${j}`), panel.title));
    if (panels.length) parts.push(html`<h3>${curves.name}</h3>${curves.note && html`<p>${curves.note}</p>`}<div class="pair">${panels}</div>`);
  }
  return parts.length ? { id: 'training', title: 'Training', body: html`${parts}` } : undefined;
}
