import { classColour, classShape } from '../../report/figures/palette.js';
import { UNKNOWN_LABEL } from '../../tasks/annotation/predictions.js';

/** How cells are coloured: by groups, or by a number from low to high. Arrays have one entry a cell of the file. */
export type Colouring =
  | { readonly kind: 'groups'; readonly title: string; readonly categories: readonly string[]; readonly codes: Int32Array }
  | { readonly kind: 'numbers'; readonly title: string; readonly values: Float32Array; readonly low: number; readonly high: number };

export interface Mark {
  readonly colour: string;
  readonly shape: string;
  /** Stands for no group. */
  readonly isPlain: boolean;
}

/** Colours of the page's style sheet as they are at this moment: light or dark. */
export function styleColour(variable: string): string {
  return getComputedStyle(document.documentElement)
    .getPropertyValue(/--[\w-]+/.exec(variable)![0])
    .trim();
}

/** The look of a group; cells without one, and labels withheld, are grey. */
export function groupMark(categories: readonly string[], code: number): Mark {
  if (code < 0 || categories[code] === UNKNOWN_LABEL) return { colour: styleColour('--muted'), shape: 'circle', isPlain: true };
  return { colour: styleColour(classColour(code)), shape: classShape(code), isPlain: false };
}

/** Viridis: even steps in lightness, told apart without red and green. */
const RAMP = ['#440154', '#482878', '#3e4a89', '#31688e', '#26828e', '#1f9e89', '#35b779', '#6ece58', '#b5de2b', '#fde725'].map((hex) =>
  [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)),
);

/** @param share from 0 to 1; light grounds have the ramp the other way, so that little is always faint */
export function rampColour(share: number, isDark: boolean): string {
  const at = Math.min(1, Math.max(0, isDark ? share : 1 - share)) * (RAMP.length - 1);
  const [from, to] = [RAMP[Math.floor(at)]!, RAMP[Math.ceil(at)]!];
  return `rgb(${from.map((value, i) => Math.round(value + (to[i]! - value) * (at % 1))).join(' ')})`;
}

export const isDark = (): boolean => matchMedia('(prefers-color-scheme: dark)').matches;

/** Draws one mark of radius r around (x, y). */
export function drawMark(context: CanvasRenderingContext2D, shape: string, x: number, y: number, r: number): void {
  context.beginPath();
  if (shape === 'circle') context.arc(x, y, r, 0, 2 * Math.PI);
  else if (shape === 'square') context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else if (shape === 'cross') {
    const [a, b] = [1.1 * r, 0.4 * r];
    context.rect(x - a, y - b, 2 * a, 2 * b);
    context.rect(x - b, y - a, 2 * b, 2 * a);
  } else {
    const corners =
      shape === 'diamond'
        ? [
            [0, -1.3],
            [1.3, 0],
            [0, 1.3],
            [-1.3, 0],
          ]
        : [
            [0, -1.2],
            [1.15, 0.9],
            [-1.15, 0.9],
          ];
    corners.forEach(([dx, dy], i) => context[i === 0 ? 'moveTo' : 'lineTo'](x + dx! * r, y + dy! * r));
    context.closePath();
  }
  context.fill();
}
