import type { WheelPin } from './release.js';

/** `nvidia-cudnn-cu12<10.0,>=9.3.0.75` */
export interface Requirement {
  readonly name: string;
  readonly bounds: readonly { readonly operator: '<' | '<=' | '>' | '>=' | '=='; readonly version: string }[];
}

/** What a wheel's METADATA asks for under one extra, e.g. tensorflow's `and-cuda`. */
export function requirementsOf(metadata: string, extra: string): Requirement[] {
  return metadata
    .split(/\r?\n/)
    .map((line) => /^Requires-Dist:\s*([A-Za-z0-9._-]+)\s*\(?([^;)]*)\)?\s*;.*extra\s*==\s*["']([^"']+)["']/.exec(line))
    .filter((match) => match !== null && match[3] === extra)
    .map((match) => ({ name: match![1]!, bounds: parseBounds(match![2]!) }));
}

function parseBounds(text: string): Requirement['bounds'] {
  return text.split(',').map((part) => {
    const match = /^\s*(<=|>=|==|<|>)\s*([\d.]+)\s*$/.exec(part);
    if (!match) throw new Error(`a version bound this code does not read: ${part}`);
    return { operator: match[1] as '<', version: match[2]! };
  });
}

/** The first requirement no pin meets, in words, or null when all are met. */
export function unmet(requirements: readonly Requirement[], pins: readonly WheelPin[]): string | null {
  for (const { name, bounds } of requirements) {
    const pin = pins.find((candidate) => candidate.name === name);
    if (!pin) return `${name} is required and not pinned`;
    const broken = bounds.find(({ operator, version }) => !holds(compareVersions(pin.version, version), operator));
    if (broken) return `${name} is pinned to ${pin.version}, required is ${broken.operator}${broken.version}`;
  }
  return null;
}

function holds(order: number, operator: Requirement['bounds'][number]['operator']): boolean {
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '==':
      return order === 0;
  }
}

/** Of release numbers alone: 12.9 < 12.10, 9.3 = 9.3.0. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
