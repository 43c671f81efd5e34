import { html, Html } from './html.js';
import type { Section } from './sections/section.js';
import { STYLE } from './style.js';

export interface Sheet {
  readonly title: string;
  readonly subtitle?: string | undefined;
  readonly sections: readonly Section[];
}

/** Sections as one HTML document: drawings inline, one style sheet inline, no script, nothing fetched from anywhere. The same sections give the same bytes. */
export function renderSheet({ title, subtitle, sections }: Sheet): string {
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
<header><h1>${title}</h1>${subtitle && html`<p>${subtitle}</p>`}</header>
<nav aria-label="Contents"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
<main>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${title}</h2>
${body}
</section>
`,
)}</main>
<footer>Written by scdiva. This file stands alone: it loads nothing and can be sent or archived as it is.</footer>
</div>
</body>
</html>
`.text;
}
