import { CheckpointError } from '../errors.js';

/** Types a .safetensors file may hold and their width in bytes. */
export const SAFETENSORS_DTYPES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type SafetensorsDtype = keyof typeof SAFETENSORS_DTYPES;

export interface TensorEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Bytes [begin, end) of the data part, which follows the header. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Parses and checks the JSON header: every entry of a known type, its bytes as many as its shape says, and all entries together covering
 * the data part once, without holes or overlaps.
 * @param dataBytes size of the file behind the header
 * @throws CheckpointError naming file and tensor
 */
export function parseHeader(text: string, dataBytes: number, file: string): SafetensorsHeader {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ file, key: 'header', found: 'not JSON', hint: 'the file is damaged or no .safetensors file', cause });
  }
  if (!isRecord(raw)) throw new CheckpointError({ file, key: 'header', found: 'not a JSON object', hint: 'the file is damaged or no .safetensors file' });
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined) throw new CheckpointError({ file, key: duplicate, found: 'named twice in the header' });
  const { __metadata__: metadata = {}, ...tensors } = raw;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string'))
    throw new CheckpointError({ file, key: '__metadata__', found: shown(metadata), expected: 'text by name' });
  const entries = new Map(Object.entries(tensors).map(([name, value]) => [name, parseEntry(value, name, file)]));
  checkCover(entries, dataBytes, file);
  return { entries, metadata: metadata as Record<string, string> };
}

function parseEntry(value: unknown, name: string, file: string): TensorEntry {
  const refuse = (found: string, expected: string) => new CheckpointError({ file, key: name, found, expected });
  if (!isRecord(value)) throw refuse(shown(value), 'an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(SAFETENSORS_DTYPES, dtype)) throw refuse(`dtype ${shown(dtype)}`, Object.keys(SAFETENSORS_DTYPES).join(', '));
  if (!isCountList(shape)) throw refuse(`shape ${shown(shape)}`, 'a list of sizes');
  if (!isCountList(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) throw refuse(`data_offsets ${shown(offsets)}`, 'two ascending offsets');
  const [begin, end] = offsets as [number, number];
  const known = dtype as SafetensorsDtype;
  const expectedBytes = shape.reduce((size, n) => size * n, SAFETENSORS_DTYPES[known]);
  if (end - begin !== expectedBytes) throw refuse(`${end - begin} bytes`, `${expectedBytes} for ${dtype} [${shape}]`);
  return { dtype: known, shape, begin, end };
}

function checkCover(entries: ReadonlyMap<string, TensorEntry>, dataBytes: number, file: string): void {
  let covered = 0;
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== covered)
      throw new CheckpointError({ file, key: name, found: `begins at byte ${begin} of the data`, expected: `${covered}, where the tensor before it ends` });
    if (end > dataBytes)
      throw new CheckpointError({
        file,
        key: name,
        found: `the file ends ${end - dataBytes} bytes too early`,
        hint: 'it is truncated: fetch or write it again',
      });
    covered = end;
  }
  if (covered !== dataBytes)
    throw new CheckpointError({ file, found: `${dataBytes - covered} bytes behind the last tensor`, hint: 'the file is damaged: fetch or write it again' });
}

/** JSON.parse keeps the last of two equal keys in silence: this walks the top level of a text already known to be an object. */
function firstDuplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      if (depth !== 1 || !/^\s*:/.test(text.slice(i + 1, i + 20))) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

/** A value of the header, cut short; one that is nested too deep to be written is told so. */
function shown(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? 'nothing').slice(0, 120);
  } catch {
    return 'something nested without end';
  }
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
