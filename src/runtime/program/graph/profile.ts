import type { Product } from './product.js';
import { flopOf } from './product.js';

/** One op's run, as TensorFlow measured it. */
export interface OpTime {
  /** Name of the op in the graph; its prefix is the program's name. */
  readonly name: string;
  /** Type of the op, after TensorFlow's own rewrites. */
  readonly type: string;
  readonly device: string;
  readonly threadId: number;
  /** Microseconds since the epoch. */
  readonly startUs: number;
  readonly durationUs: number;
}

/** tensorflow.RunOptions { trace_level: FULL_TRACE } */
export const FULL_TRACE = Uint8Array.of(0x08, 3);

/** Field numbers of tensorflow.RunMetadata and its parts, from TensorFlow's protocol definitions. */
const METADATA = { stepStats: 1 } as const;
const STEP_STATS = { devices: 1 } as const;
const DEVICE_STATS = { device: 1, nodes: 2 } as const;
const NODE_STATS = { name: 1, startUs: 2, opStartUs: 3, opEndUs: 4, label: 8, threadId: 10 } as const;

/** The op times in a serialised tensorflow.RunMetadata. */
export function decodeOpTimes(metadata: Uint8Array): OpTime[] {
  const ops: OpTime[] = [];
  for (const stepStats of messages(metadata, METADATA.stepStats))
    for (const deviceStats of messages(stepStats, STEP_STATS.devices)) {
      const device = text(messages(deviceStats, DEVICE_STATS.device)[0]);
      for (const node of messages(deviceStats, DEVICE_STATS.nodes)) {
        const { numbers, bytes } = fields(node);
        const at = (field: number) => numbers.get(field) ?? 0;
        const name = text(bytes.get(NODE_STATS.name)?.[0]);
        const opStart = at(NODE_STATS.opStartUs);
        ops.push({
          name,
          // The label reads `name = Type(inputs…)`.
          type: / = (\w+)\(/.exec(text(bytes.get(NODE_STATS.label)?.[0]))?.[1] ?? name,
          device,
          threadId: at(NODE_STATS.threadId),
          startUs: at(NODE_STATS.startUs) + opStart,
          durationUs: at(NODE_STATS.opEndUs) - opStart,
        });
      }
    }
  return ops;
}

/** A stretch of time drawn above the ops: a training step, the wait for its batch. */
export interface Span {
  readonly name: string;
  /** Microseconds since the epoch. */
  readonly startUs: number;
  readonly durationUs: number;
}

/** The trace-event format that chrome://tracing, Perfetto and TensorBoard's trace viewer open. */
export function toChromeTrace(ops: readonly OpTime[], spans: readonly Span[] = []): string {
  const rows = [...(spans.length > 0 ? ['steps'] : []), ...new Set(ops.map(({ device }) => device))];
  const names = rows.flatMap((name, pid) => [
    { ph: 'M', name: 'process_name', pid, args: { name } },
    { ph: 'M', name: 'process_sort_index', pid, args: { sort_index: pid } },
  ]);
  const steps = spans.map(({ name, startUs, durationUs }) => ({ ph: 'X', name, cat: 'step', pid: 0, tid: 0, ts: startUs, dur: durationUs }));
  const events = ops.map(({ name, type, device, threadId, startUs, durationUs }) => ({
    ph: 'X',
    name: type,
    cat: 'op',
    pid: rows.indexOf(device),
    tid: threadId,
    ts: startUs,
    dur: durationUs,
    args: { name },
  }));
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents: [...names, ...steps, ...events] });
}

/** What the ops of one type cost together. */
export interface OpTypeTime {
  readonly type: string;
  readonly count: number;
  /** Summed over ops: more than the clock says where ops run side by side. */
  readonly ms: number;
  /** Of all op time. */
  readonly share: number;
  /** Rate at which matrix products ran; absent for types that are none. */
  readonly tflopPerSec?: number;
}

/**
 * Op time by type, the dearest first.
 * @param products the executor's, to tell how fast its matrix products ran
 */
export function timesByType(ops: readonly OpTime[], products: ReadonlyMap<string, Product> = new Map()): OpTypeTime[] {
  const sums = new Map<string, { count: number; us: number; flop: number }>();
  for (const { name, type, durationUs } of ops) {
    const sum = sums.get(type) ?? { count: 0, us: 0, flop: 0 };
    sums.set(type, { count: sum.count + 1, us: sum.us + durationUs, flop: sum.flop + (/MatMul/.test(type) ? flopOf(products.get(name)) : 0) });
  }
  const total = [...sums.values()].reduce((all, { us }) => all + us, 0);
  return [...sums]
    .map(([type, { count, us, flop }]) => ({
      type,
      count,
      ms: us / 1e3,
      share: total > 0 ? us / total : 0,
      ...(flop > 0 && us > 0 && { tflopPerSec: flop / us / 1e6 }),
    }))
    .sort((a, b) => b.ms - a.ms);
}

// Protocol buffers' wire format.

function fields(message: Uint8Array): { numbers: Map<number, number>; bytes: Map<number, Uint8Array[]> } {
  const numbers = new Map<number, number>();
  const bytes = new Map<number, Uint8Array[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    const wireType = key % 8;
    if (wireType === 0) numbers.set(field, varint());
    else if (wireType === 2) {
      const length = varint();
      const part = message.subarray(at, at + length);
      const list = bytes.get(field);
      if (list) list.push(part);
      else bytes.set(field, [part]);
      at += length;
    } else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else throw new Error(`not a protocol buffer: wire type ${wireType}`);
  }
  return { numbers, bytes };
}

const messages = (message: Uint8Array, field: number): Uint8Array[] => fields(message).bytes.get(field) ?? [];

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
