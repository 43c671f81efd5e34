/** Four digits, thousands separated. */
export function number(value: number): string {
  if (Number.isInteger(value)) return thousands(value);
  return Math.abs(value) >= 1000 ? thousands(Math.round(value)) : String(Number(value.toPrecision(4)));
}

export function thousands(value: number): string {
  return value.toLocaleString('en-US');
}
