import { drawMark, groupMark, isDark, rampColour, type Colouring } from './colouring.js';

/** What the colours mean: a table of groups whose rows are buttons, or a ramp with its ends. */
export function keyOf(colouring: Colouring, rows: Int32Array, onHighlight: (code: number | undefined) => void): HTMLElement {
  return colouring.kind === 'groups' ? groupTable(colouring, rows, onHighlight) : ramp(colouring);
}

function groupTable(
  { title, categories, codes }: Extract<Colouring, { kind: 'groups' }>,
  rows: Int32Array,
  onHighlight: (code: number | undefined) => void,
): HTMLElement {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  const codesShown = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)!);
  const buttons = new Map<number, HTMLButtonElement>();
  let pressed: number | undefined;
  const body = codesShown.map((code) => {
    const button = element(
      'button',
      { type: 'button', className: 'class' },
      swatch(categories, code),
      element('span', { textContent: code < 0 ? 'none' : categories[code]! }),
    );
    button.setAttribute('aria-pressed', 'false');
    button.addEventListener('click', () => {
      pressed = pressed === code ? undefined : code;
      for (const [other, its] of buttons) its.setAttribute('aria-pressed', String(other === pressed));
      onHighlight(pressed);
    });
    buttons.set(code, button);
    const head = element('th', { scope: 'row' }, button);
    const share = (100 * counts.get(code)!) / codes.length;
    return element(
      'tr',
      {},
      head,
      element('td', { className: 'number', textContent: counts.get(code)!.toLocaleString('en') }),
      element('td', { className: 'number', textContent: `${share < 0.1 ? '<0.1' : share.toFixed(1)} %` }),
    );
  });
  const head = element(
    'tr',
    {},
    element('th', { scope: 'col', textContent: title }),
    element('th', { scope: 'col', className: 'number', textContent: 'cells' }),
    element('th', { scope: 'col', className: 'number', textContent: 'share' }),
  );
  const caption = element('caption', {
    textContent: `Choose a row to see its cells alone${rows.length < codes.length ? `; ${rows.length.toLocaleString('en')} cells are drawn` : ''}.`,
  });
  return element('div', { className: 'scroll' }, element('table', {}, caption, element('thead', {}, head), element('tbody', {}, ...body)));
}

function swatch(categories: readonly string[], code: number): HTMLCanvasElement {
  const canvas = element('canvas', { width: 36, height: 36, className: 'swatch' });
  canvas.setAttribute('aria-hidden', 'true');
  const context = canvas.getContext('2d')!;
  const { colour, shape } = groupMark(categories, code);
  context.fillStyle = colour;
  drawMark(context, shape, 18, 18, 12);
  return canvas;
}

function ramp({ title, low, high }: Extract<Colouring, { kind: 'numbers' }>): HTMLElement {
  const canvas = element('canvas', { width: 200, height: 1, className: 'ramp' });
  canvas.setAttribute('aria-hidden', 'true');
  const context = canvas.getContext('2d')!;
  const dark = isDark();
  for (let x = 0; x < 200; x++) {
    context.fillStyle = rampColour(x / 199, dark);
    context.fillRect(x, 0, 1, 1);
  }
  const ends = element('div', { className: 'ends' }, element('span', { textContent: low.toFixed(2) }), element('span', { textContent: high.toFixed(2) }));
  return element('div', {}, element('p', { textContent: title }), canvas, ends);
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
