/** One score of a table for people. */
export interface ScoreLine {
  readonly name: string;
  /** NaN where it is not defined. */
  readonly values: readonly number[];
  /** What it says, and which way is better. */
  readonly meaning: string;
  readonly digits?: number;
}

/** Scores under each other, one column a method, what each means behind it. */
export function scoreTable(columns: readonly string[], lines: readonly ScoreLine[]): string[] {
  const nameWidth = Math.max(...lines.map(({ name }) => name.length));
  const cells = lines.map(({ values, digits = 3 }) => values.map((value) => scoreText(value, digits)));
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((row) => row[i]!.length)));
  const header = columns.length > 1 ? [`${' '.repeat(nameWidth)}  ${columns.map((column, i) => column.padStart(widths[i]!)).join('  ')}`] : [];
  return [
    ...header,
    ...lines.map(({ name, meaning }, row) =>
      `${name.padEnd(nameWidth)}  ${cells[row]!.map((text, i) => text.padStart(widths[i]!)).join('  ')}  ${meaning}`.trimEnd(),
    ),
  ];
}

/** An undefined score is a dash. */
export function scoreText(value: number, digits = 3): string {
  return Number.isNaN(value) ? '–' : value.toFixed(digits);
}

/** For `--json`: NaN, which JSON has not, becomes null. */
export function plainNumbers<T extends object>(scores: T): { [K in keyof T]: T[K] extends number ? number | null : T[K] } {
  return Object.fromEntries(Object.entries(scores).map(([key, value]) => [key, typeof value === 'number' && !Number.isFinite(value) ? null : value])) as {
    [K in keyof T]: T[K] extends number ? number | null : T[K];
  };
}
