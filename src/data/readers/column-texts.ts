import type { ObsColumn } from './reader.js';

/** Any column as texts, null where an entry is missing: labels, batches, perturbations. */
export function columnTexts(column: ObsColumn): (string | null)[] {
  switch (column.kind) {
    case 'categorical':
      return Array.from(column.codes, (code) => (code < 0 ? null : column.categories[code]!));
    case 'numeric':
      return Array.from(column.values, (value) => (Number.isNaN(value) ? null : String(value)));
    case 'boolean':
    case 'string':
      return column.values.map((value) => (value === null ? null : String(value)));
  }
}
