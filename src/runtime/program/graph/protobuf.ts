/** Protocol buffers' wire format, written: a key (field number, wire type), then the value. What TensorFlow's C API takes as serialised messages. */

export function varint(field: number, value: number): number[] {
  return [...base128(field << 3), ...base128(value)];
}

export function double(field: number, value: number): number[] {
  return [...base128((field << 3) | 1), ...new Uint8Array(Float64Array.of(value).buffer)];
}

/** Nothing where the content is empty: absent and empty are the same to a reader. */
export function message(field: number, content: readonly number[]): number[] {
  return content.length === 0 ? [] : [...base128((field << 3) | 2), ...base128(content.length), ...content];
}

export function text(field: number, value: string): number[] {
  return message(field, [...Buffer.from(value)]);
}

function base128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}
