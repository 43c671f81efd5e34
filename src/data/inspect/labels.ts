import type { CellFile, ObsColumn } from '../readers/reader.js';

/** An obs column that could serve as a label to learn or as a sequencing batch. */
export interface LabelCandidate {
  readonly key: string;
  readonly role: 'label' | 'batch';
  readonly stored: 'categorical' | 'text' | 'integer';
  readonly numClasses: number;
  /** Cells without a class. */
  readonly numMissing: number;
  /** Largest first. */
  readonly classes: readonly { readonly name: string; readonly size: number }[];
}

const MOST_CLASSES = 200;
/** More different integers than this are measurements, not classes. */
const MOST_INTEGER_CLASSES = 50;
const BATCH_NAME =
  /batch|donor|sample|library|lane|patient|subject|individual|channel|plate|chip|dataset|study|assay|chemistry|sequenc|protocol|tech|orig\.?ident|(^|_)(run|site|replicate|rep|pool|gem)(_|$)/i;
const LABEL_NAME = /cell.?type|cell.?class|annot|label|celltype|subclass/i;

const NO_LABEL = /^(unknown|unassigned|un-?labell?ed|unclassified|unannotated|undefined|not (available|assigned)|n[/.]?a\.?|nan|none|null|-|\?)$/i;

/** Classes whose name reads as if their cells had no label. */
export function namesOfNone({ classes }: LabelCandidate): string[] {
  return classes.flatMap(({ name }) => (NO_LABEL.test(name.trim()) ? [name] : []));
}

/** Columns of 2 to 200 classes, those named like cell types first, then the others in file order. */
export function findLabels(file: CellFile): LabelCandidate[] {
  const candidates = file.obsKeys.flatMap((key) => candidate(key, file.obs(key), file.numCells) ?? []);
  return candidates.sort((a, b) => Number(LABEL_NAME.test(b.key)) - Number(LABEL_NAME.test(a.key)));
}

function candidate(key: string, column: ObsColumn, numCells: number): LabelCandidate | undefined {
  const sizes = classSizes(column);
  // Classes of one cell each are names, not classes.
  if (!sizes || sizes.size < 2 || sizes.size > MOST_CLASSES || sizes.size * 2 > numCells) return undefined;
  const classes = [...sizes].map(([name, size]) => ({ name, size })).sort((a, b) => b.size - a.size);
  const numLabelled = classes.reduce((sum, { size }) => sum + size, 0);
  const stored = column.kind === 'categorical' ? 'categorical' : column.kind === 'string' ? 'text' : 'integer';
  return {
    key,
    role: BATCH_NAME.test(key) && !LABEL_NAME.test(key) ? 'batch' : 'label',
    stored,
    numClasses: classes.length,
    numMissing: numCells - numLabelled,
    classes,
  };
}

/** Cells of each class; undefined for a column that has none, or too many to be classes. */
function classSizes(column: ObsColumn): Map<string, number> | undefined {
  const sizes = new Map<string, number>();
  const count = (name: string, most: number) => sizes.set(name, (sizes.get(name) ?? 0) + 1).size <= most;
  switch (column.kind) {
    case 'categorical':
      for (const code of column.codes) if (code >= 0) count(column.categories[code]!, Infinity);
      return sizes;
    case 'string':
      for (const value of column.values) if (value !== null && value !== '' && !count(value, MOST_CLASSES)) return undefined;
      return sizes;
    case 'numeric':
      for (const value of column.values) {
        if (Number.isNaN(value)) continue;
        if (!Number.isInteger(value) || !count(String(value), MOST_INTEGER_CLASSES)) return undefined;
      }
      return sizes;
    case 'boolean':
      return undefined;
  }
}
