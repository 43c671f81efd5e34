import { CheckpointError } from '../../errors.js';

/** What a pickle of a state dict is made of. A class or function is never more than its name. */
export type PickleValue = null | boolean | number | bigint | string | PickleValue[] | PickleTuple | PickleDict | PickleGlobal | PickleOpaque;
export type PickleDict = Map<PickleValue, PickleValue>;

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** `module name` as the stream names it, known to the allow-list; nothing is imported. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What an allowed constructor or a persistent id stands for: the caller's own object. */
export class PickleOpaque {
  constructor(readonly value: object) {}
}

export interface PickleRules {
  /** For messages. */
  readonly file: string;
  /** By `module name`: what a call of it gives; null for names that may stand in the stream but not be called. No other name may occur. */
  readonly globals: Readonly<Record<string, ((args: readonly PickleValue[]) => PickleValue) | null>>;
  /** What a persistent id, PyTorch's reference to a storage, stands for. */
  readonly persistent: (id: PickleValue) => PickleValue;
}

/** Longest pickle that is read: names and shapes of a model fill a few hundred kilobytes. */
export const MAX_PICKLE_BYTES = 64 * 2 ** 20;

const MARK = Symbol('mark');
type Slot = PickleValue | typeof MARK;

/**
 * Reads a pickle as data. A pickle is a program for a stack machine that may call anything by name; this machine knows the instructions
 * that `torch.save` uses, calls what `rules` allow and nothing else, and holds never more values than the stream has bytes.
 * @returns the value, and how many bytes it took
 * @throws CheckpointError naming the global, the instruction or the offset it refuses
 */
export function unpickle(bytes: Uint8Array, rules: PickleRules): { readonly value: PickleValue; readonly length: number } {
  const machine = new Machine(bytes, rules);
  const value = machine.run();
  return { value, length: machine.at };
}

class Machine {
  at = 0;
  private readonly view: DataView;
  private readonly stack: Slot[] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(
    private readonly bytes: Uint8Array,
    private readonly rules: PickleRules,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length > MAX_PICKLE_BYTES) throw this.refuse(`a pickle of ${bytes.length} bytes`, `at most ${MAX_PICKLE_BYTES}`);
  }

  run(): PickleValue {
    for (;;) {
      const start = this.at;
      const opcode = this.u8();
      if (opcode === 0x2e /* . STOP */) return this.pop();
      this.step(opcode, start);
    }
  }

  private step(opcode: number, start: number): void {
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.u8();
        if (protocol < 2 || protocol > 5) throw this.refuse(`pickle protocol ${protocol}`, '2 to 5');
        return;
      }
      case 0x95: // FRAME: a length for streaming readers
        this.take(8);
        return;
      case 0x28: // MARK
        return this.push(MARK);
      case 0x30: // POP
        if (this.stack.pop() === undefined) throw this.underflow();
        return;
      case 0x31: // POP_MARK
        return void this.popToMark();
      case 0x32: // DUP
        return this.push(this.peek());

      case 0x4e: // NONE
        return this.push(null);
      case 0x88: // NEWTRUE
        return this.push(true);
      case 0x89: // NEWFALSE
        return this.push(false);
      case 0x4a: // BININT
        return this.push(this.view.getInt32(this.take(4), true));
      case 0x4b: // BININT1
        return this.push(this.u8());
      case 0x4d: // BININT2
        return this.push(this.view.getUint16(this.take(2), true));
      case 0x8a: // LONG1
        return this.push(this.long(this.u8()));
      case 0x47: // BINFLOAT
        return this.push(this.view.getFloat64(this.take(8), false));
      case 0x58: // BINUNICODE
        return this.push(this.text(this.view.getUint32(this.take(4), true)));
      case 0x8c: // SHORT_BINUNICODE
        return this.push(this.text(this.u8()));

      case 0x7d: // EMPTY_DICT
        return this.push(new Map());
      case 0x5d: // EMPTY_LIST
        return this.push([]);
      case 0x29: // EMPTY_TUPLE
        return this.push(new PickleTuple([]));
      case 0x74: // TUPLE
        return this.push(new PickleTuple(this.popToMark()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.push(new PickleTuple(this.popMany(opcode - 0x84)));
      case 0x61: {
        // APPEND
        const item = this.pop();
        return void this.list().push(item);
      }
      case 0x65: {
        // APPENDS
        const items = this.popToMark();
        const list = this.list();
        for (const item of items) list.push(item);
        return;
      }
      case 0x73: // SETITEM
        return this.setItems(this.popMany(2));
      case 0x75: // SETITEMS
        return this.setItems(this.popToMark());

      case 0x71: // BINPUT
        return this.put(this.u8());
      case 0x72: // LONG_BINPUT
        return this.put(this.view.getUint32(this.take(4), true));
      case 0x94: // MEMOIZE
        return this.put(this.memo.size);
      case 0x68: // BINGET
        return this.get(this.u8());
      case 0x6a: // LONG_BINGET
        return this.get(this.view.getUint32(this.take(4), true));

      case 0x63: {
        // GLOBAL
        const module = this.line();
        return this.push(this.global(module, this.line()));
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw this.refuse('a global whose name is no text');
        return this.push(this.global(module, name));
      }
      case 0x52: {
        // REDUCE: the one instruction that calls
        const args = this.pop();
        const callee = this.pop();
        const call = callee instanceof PickleGlobal ? this.rules.globals[callee.name] : undefined;
        if (!call) throw this.refuse(`a call of ${callee instanceof PickleGlobal ? callee.name.replace(' ', '.') : 'what is no function'}`);
        if (!(args instanceof PickleTuple)) throw this.refuse('a call without arguments');
        return this.push(call(args.items));
      }
      case 0x62: {
        // BUILD: attributes of an object; those of an ordered dict (PyTorch keeps versions there) say nothing about weights
        this.pop();
        if (!(this.peek() instanceof Map)) throw this.refuse('attributes set on what is no dict');
        return;
      }
      case 0x51: // BINPERSID
        return this.push(this.rules.persistent(this.pop()));

      default:
        throw this.refuse(`instruction 0x${opcode.toString(16).padStart(2, '0')} at byte ${start} of the pickle`, 'what torch.save writes');
    }
  }

  private global(module: string, name: string): PickleGlobal {
    const full = `${module} ${name}`;
    if (!Object.hasOwn(this.rules.globals, full)) {
      throw new CheckpointError({
        file: this.rules.file,
        found: `the pickle names ${printable(`${module}.${name}`)}, which is not allowed: nothing of it was run`,
        hint: 'a file of tensors alone is expected: torch.save(model.state_dict(), …)',
      });
    }
    return new PickleGlobal(full);
  }

  private setItems(items: readonly PickleValue[]): void {
    const dict = this.peek();
    if (!(dict instanceof Map)) throw this.refuse('items set on what is no dict');
    if (items.length % 2 !== 0) throw this.refuse('a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!);
  }

  private list(): PickleValue[] {
    const list = this.peek();
    if (!Array.isArray(list)) throw this.refuse('items appended to what is no list');
    return list;
  }

  private put(index: number): void {
    this.memo.set(index, this.peek());
  }

  private get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw this.refuse(`memo ${index}, which was never stored`);
    this.push(value);
  }

  private push(value: Slot): void {
    this.stack.push(value);
  }

  private pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined || value === MARK) throw this.underflow();
    return value;
  }

  private peek(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw this.underflow();
    return value;
  }

  private popMany(n: number): PickleValue[] {
    const items: PickleValue[] = [];
    for (let i = 0; i < n; i++) items.push(this.pop());
    return items.reverse();
  }

  private popToMark(): PickleValue[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw this.underflow();
    const items = this.stack.splice(mark + 1) as PickleValue[];
    this.stack.pop();
    return items;
  }

  /** Two's complement, little-endian; counts of values fit 8 bytes. */
  private long(length: number): number | bigint {
    if (length > 8) throw this.refuse(`a number of ${length} bytes`, 'at most 8');
    const start = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[start + i]!);
    const signed = BigInt.asIntN(8 * length, value);
    return signed >= BigInt(Number.MIN_SAFE_INTEGER) && signed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(signed) : signed;
  }

  private text(length: number): string {
    const start = this.take(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString('utf8');
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.truncated();
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  private u8(): number {
    return this.bytes[this.take(1)]!;
  }

  /** Moves past `length` bytes that must be there. @returns where they start */
  private take(length: number): number {
    const start = this.at;
    if (length > this.bytes.length - start) throw this.truncated();
    this.at += length;
    return start;
  }

  private truncated(): CheckpointError {
    return this.refuse(`the pickle ends after ${this.bytes.length} bytes, in the middle of an instruction`);
  }

  private underflow(): CheckpointError {
    return this.refuse(`an instruction before byte ${this.at} of the pickle takes what is not there`);
  }

  private refuse(found: string, expected?: string): CheckpointError {
    return new CheckpointError({ file: this.rules.file, key: 'pickle', found, expected, hint: 'the file is damaged or no file of weights' });
  }
}

/** A name out of a hostile stream, for one line on a terminal. */
function printable(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > 120 ? `${plain.slice(0, 120)}…` : plain;
}
