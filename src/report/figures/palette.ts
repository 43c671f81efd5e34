/** Colours as CSS variables, so that one drawing serves light, dark and print. */

/** [light, dark] of each class colour; neighbours in the list differ in hue and in lightness. */
const CLASS_COLOURS: readonly (readonly [light: string, dark: string])[] = [
  ['#2f6db3', '#6aa8ee'],
  ['#d9741f', '#f29a52'],
  ['#2f9158', '#5cc488'],
  ['#b93a4a', '#ee7f8c'],
  ['#7a55b5', '#b295ea'],
  ['#8a5f3c', '#c99c76'],
  ['#cf5499', '#f090c6'],
  ['#566573', '#a3b1be'],
  ['#978a12', '#d2c44e'],
  ['#12909f', '#4fc9d6'],
  ['#6f9a1c', '#a9d157'],
  ['#c99700', '#efc342'],
];

/** Vega symbol names; they change each time the colours have all been used. */
const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'cross'] as const;

export function classColour(classIndex: number): string {
  return `var(--class-${classIndex % CLASS_COLOURS.length})`;
}

export function classShape(classIndex: number): string {
  return SHAPES[Math.floor(classIndex / CLASS_COLOURS.length) % SHAPES.length]!;
}

/** `--class-0:#…;` for a style sheet. */
export function classColourVariables(mode: 'light' | 'dark'): string {
  return CLASS_COLOURS.map((pair, i) => `--class-${i}:${pair[mode === 'light' ? 0 : 1]};`).join('');
}

/** The colours of everything that is not a class; their values stand in style.ts. */
export const INK = 'var(--ink)';
export const MUTED = 'var(--muted)';
export const LINE = 'var(--line)';
export const SURFACE = 'var(--surface)';
export const ACCENT = 'var(--accent)';
export const ACCENT_2 = 'var(--accent-2)';
export const BAD = 'var(--bad)';
