import { parse, textMetrics, View, Error as ERRORS_ONLY } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { Html, escapeHtml } from '../html.js';
import { INK, LINE, MUTED } from './palette.js';

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

declare module 'vega' {
  /** Exported by vega, missing from its types. */
  export const textMetrics: { width: (item: { fontSize?: number }, text: unknown) => number };
}

// Without a canvas Vega takes every letter for 0.8 of the font size, and leaves margins twice too wide: proportions of common
// sans-serif faces instead.
textMetrics.width = (item, text) => {
  let width = 0;
  for (const letter of String(text ?? ''))
    width += /[iljtfrI.,:;'|!()[\]/ ]/.test(letter) ? 0.36 : /[mwMW@%—]/.test(letter) ? 0.92 : /[A-Z+<>=&±]/.test(letter) ? 0.74 : 0.62;
  return width * (item.fontSize ?? 11);
};

/** What a screen reader says in place of the drawing. */
export interface FigureText {
  /** Unique in the page; ids inside the drawing start with it. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

/**
 * Draws a Vega-Lite specification as an SVG element to stand inside a page: no fixed size (it follows the column, up to its
 * natural width), colours from CSS variables, no namespace or link to anything outside.
 */
export async function renderSvg(spec: TopLevelSpec, text: FigureText): Promise<Html> {
  const { spec: vegaSpec } = compile({ ...spec, background: 'transparent' }, { config: CONFIG });
  const view = new View(parse(vegaSpec), { renderer: 'none', logLevel: ERRORS_ONLY });
  try {
    return asInline(await view.toSVG(), text);
  } finally {
    view.finalize();
  }
}

function asInline(svg: string, { id, title, description }: FigureText): Html {
  const [, attributes = '', body = ''] = /^<svg ([^>]*)>(.*)<\/svg>$/s.exec(svg) ?? [];
  const [, width = '0'] = /\bwidth="([\d.]+)"/.exec(attributes) ?? [];
  const [, viewBox = ''] = /\bviewBox="([^"]+)"/.exec(attributes) ?? [];
  const drawing = body
    .replace(/<[^>]*>/g, (tag) => tag.replace(/ (?:pointer-events|aria-[a-z]+|role|class)="[^"]*"/g, '').replace(/(\d\.\d{2})\d+/g, '$1'))
    // Vega numbers its clip paths and gradients per process: tie them to the figure instead.
    .replace(/\b(id="|url\(#)(?:clip|gradient_)/g, `$1${id}-`)
    .replace(/<path d="M0,0h0v0h0Z"\/>|<path d="" display="none"\/>/g, '');
  return new Html(
    `<svg viewBox="${viewBox}" style="max-width:${Math.ceil(Number(width))}px" role="img" aria-labelledby="${id}-title" aria-describedby="${id}-description">` +
      `<title id="${id}-title">${escapeHtml(title)}</title><desc id="${id}-description">${escapeHtml(description)}</desc>${drawing}</svg>`,
  );
}

const CONFIG = {
  aria: false,
  font: FONT,
  view: { stroke: null },
  axis: {
    labelColor: MUTED,
    titleColor: MUTED,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal' as const,
    titlePadding: 8,
    domainColor: LINE,
    tickColor: LINE,
    gridColor: LINE,
    gridOpacity: 0.6,
    labelLimit: 250,
    tickSize: 4,
  },
  axisX: { grid: false },
  axisY: { domain: false, ticks: false, labelPadding: 6 },
  legend: { labelColor: INK, titleColor: MUTED, labelFontSize: 12, symbolStrokeWidth: 2.5, labelLimit: 260 },
  text: { color: INK, fontSize: 12 },
};
