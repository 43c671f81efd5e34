import type { ReportData } from './data.js';
import { html, Html } from './html.js';
import { calibrationSection, classSection } from './sections/classes.js';
import { dataSection, modelSection, runSection } from './sections/cards.js';
import { mapSection } from './sections/map.js';
import type { Section } from './sections/section.js';
import { scoreSection, summarySection } from './sections/summary.js';
import { trainingSection } from './sections/training.js';
import { STYLE } from './style.js';

/**
 * The report as one HTML document: drawings inline, one style sheet inline, no script, nothing fetched from anywhere.
 * A pure function: the same data give the same bytes.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const candidates = [
    await summarySection(data),
    scoreSection(data),
    await classSection(data),
    await mapSection(data),
    await calibrationSection(data),
    await trainingSection(data),
    dataSection(data),
    modelSection(data),
    runSection(data),
  ];
  const sections = candidates.filter((section): section is Section => section !== undefined);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${data.title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<div class="page">
<header><h1>${data.title}</h1>${data.subtitle && html`<p>${data.subtitle}</p>`}</header>
<nav aria-label="Contents"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
<main>
${sections.map(({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${title}</h2>
${body}
</section>
`)}</main>
<footer>Written by scdiva. This file stands alone: it loads nothing and can be sent or archived as it is.</footer>
</div>
</body>
</html>
`;
  return page.text;
}
