import type { Analysis } from '../messages.js';
import { drawMark, groupMark, isDark, rampColour, styleColour, type Colouring } from './colouring.js';

const MARGIN = 0.05;
/** Pixels within which the pointer finds a cell. */
const REACH = 14;

/** Cells in the plane on a canvas. */
export class CellMap {
  private colouring: Colouring | undefined;
  private highlighted: number | undefined;
  private places: Float32Array = new Float32Array(0);
  private readonly context: CanvasRenderingContext2D;

  /** @param describe what the tip says of a cell (a row of the file) */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly tip: HTMLElement,
    private readonly map: Analysis['map'],
    private readonly describe: (row: number) => string[],
    signal: AbortSignal,
  ) {
    this.context = canvas.getContext('2d')!;
    const redraw = new ResizeObserver(() => this.draw());
    redraw.observe(canvas);
    signal.addEventListener('abort', () => redraw.disconnect());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw(), { signal });
    canvas.addEventListener('pointermove', (event) => this.point(event), { signal });
    canvas.addEventListener('pointerleave', () => (tip.hidden = true), { signal });
  }

  /** @param highlighted of groups: the one that stands out */
  show(colouring: Colouring, highlighted?: number): void {
    this.colouring = colouring;
    this.highlighted = highlighted;
    this.draw();
  }

  private draw(): void {
    const { canvas, context, colouring, map } = this;
    if (!colouring) return;
    const { width, height } = canvas.getBoundingClientRect();
    if (width === 0) return;
    const ratio = devicePixelRatio;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.place(width, height);
    const radius = Math.max(1.3, Math.min(4.2, ((3.2 * width) / 640) * Math.sqrt(1500 / Math.max(300, map.rows.length)) + 0.6));
    if (colouring.kind === 'groups') this.drawGroups(colouring, radius);
    else this.drawNumbers(colouring, radius);
  }

  private place(width: number, height: number): void {
    const { x, y } = this.map;
    const range = (values: Float32Array) =>
      values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)] as [number, number], [Infinity, -Infinity] as [number, number]);
    const [[left, right], [bottom, top]] = [range(x), range(y)];
    const scale = (value: number, low: number, high: number, size: number) => size * (MARGIN + ((1 - 2 * MARGIN) * (value - low)) / (high - low || 1));
    this.places = new Float32Array(2 * x.length);
    for (let i = 0; i < x.length; i++) {
      this.places[2 * i] = scale(x[i]!, left, right, width);
      this.places[2 * i + 1] = height - scale(y[i]!, bottom, top, height);
    }
  }

  private drawGroups({ categories, codes }: Extract<Colouring, { kind: 'groups' }>, radius: number): void {
    const { context, map, highlighted } = this;
    const cellsOf = Map.groupBy(map.rows.keys(), (i) => codes[map.rows[i]!]!);
    // Cells without a group lie below, those that stand out above.
    const order = [...cellsOf.keys()].sort((a, b) => Number(a === highlighted) - Number(b === highlighted) || a - b);
    for (const code of order) {
      const { colour, shape, isPlain } = groupMark(categories, code);
      context.fillStyle = colour;
      context.globalAlpha = highlighted === undefined ? (isPlain ? 0.4 : 0.82) : code === highlighted ? 0.95 : 0.1;
      for (const i of cellsOf.get(code)!) drawMark(context, shape, this.places[2 * i]!, this.places[2 * i + 1]!, radius);
    }
    context.globalAlpha = 1;
  }

  private drawNumbers({ values, low, high }: Extract<Colouring, { kind: 'numbers' }>, radius: number): void {
    const { context, map } = this;
    const order = [...map.rows.keys()].sort((a, b) => values[map.rows[a]!]! - values[map.rows[b]!]!);
    const dark = isDark();
    context.globalAlpha = 0.9;
    for (const i of order) {
      const value = values[map.rows[i]!]!;
      context.fillStyle = value === 0 && low === 0 ? styleColour('--line') : rampColour((value - low) / (high - low || 1), dark);
      drawMark(context, 'circle', this.places[2 * i]!, this.places[2 * i + 1]!, radius);
    }
    context.globalAlpha = 1;
  }

  private point({ offsetX, offsetY }: PointerEvent): void {
    let [nearest, distance] = [-1, REACH ** 2];
    for (let i = 0; i < this.places.length / 2; i++) {
      const d = (this.places[2 * i]! - offsetX) ** 2 + (this.places[2 * i + 1]! - offsetY) ** 2;
      if (d < distance) [nearest, distance] = [i, d];
    }
    const { tip, canvas } = this;
    tip.hidden = nearest < 0;
    if (nearest < 0) return;
    tip.replaceChildren(...this.describe(this.map.rows[nearest]!).map((line) => Object.assign(document.createElement('div'), { textContent: line })));
    const [x, y] = [this.places[2 * nearest]!, this.places[2 * nearest + 1]!];
    tip.style.left = `${Math.max(4, Math.min(x + 12, canvas.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y + 12 + tip.offsetHeight > canvas.clientHeight ? y - tip.offsetHeight - 8 : y + 12}px`;
  }
}
