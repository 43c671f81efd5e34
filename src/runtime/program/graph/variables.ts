import type { HostTensor, HostTensors, Variables } from '../program.js';
import type { GraphBuilder, Node } from './builder.js';
import type { Output, Pointer } from './c-api.js';
import type { Session } from './session.js';

/** A variable living in TensorFlow, with the ops that read and overwrite it. */
export interface GraphVariable {
  readonly dtype: HostTensor['dtype'];
  readonly shape: readonly number[];
  readonly handle: Output;
  /** The one read of the variable in the whole graph: what every program of a run sees is its value before that run's updates. */
  readonly read: Node;
  /** Feed of `assignFed`. */
  readonly fed: Node;
  readonly assignFed: Pointer;
}

let numSets = 0;

export class GraphVariables implements Variables {
  /** In order of creation. */
  readonly variables = new Map<string, GraphVariable>();
  private readonly prefix = `variables${numSets++}`;

  constructor(
    readonly builder: GraphBuilder,
    private readonly session: Session,
  ) {}

  get names(): readonly string[] {
    return [...this.variables.keys()];
  }

  async read(names: readonly string[] = this.names): Promise<HostTensors> {
    const fetches = names.map((name) => this.get(name).read);
    if (fetches.length === 0) return {};
    const values = await this.session.prepare({ feeds: [], fetches, targets: [] })([]);
    return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
  }

  async write(values: HostTensors): Promise<void> {
    const entries = Object.entries(values).map(([name, value]) => ({ name, value, variable: this.get(name) }));
    for (const { name, value, variable } of entries)
      if (String(variable.shape) !== String(value.shape) || variable.dtype !== value.dtype)
        throw new Error(`${name}: cannot assign ${value.dtype}[${value.shape}] to a variable of ${variable.dtype}[${variable.shape}]`);
    if (entries.length === 0) return;
    const run = this.session.prepare({
      feeds: entries.map(({ variable }) => variable.fed),
      fetches: [],
      targets: entries.map(({ variable }) => variable.assignFed),
    });
    await run(entries.map(({ value }) => value));
  }

  async create(values: HostTensors): Promise<void> {
    for (const [name, { dtype, shape }] of Object.entries(values)) {
      if (this.variables.has(name)) throw new Error(`variable ${name} exists`);
      this.variables.set(name, this.define(name, dtype, shape));
    }
    await this.write(values);
  }

  get(name: string): GraphVariable {
    const variable = this.variables.get(name);
    if (!variable) throw new Error(`no variable ${name}`);
    return variable;
  }

  shapeOf(name: string): readonly number[] {
    return this.get(name).shape;
  }

  /** Frees their memory in TensorFlow, after the runs under way. */
  dispose(): void {
    if (this.session.isClosed) return;
    const targets = [...this.variables.values()].map(({ handle }) => this.builder.add('DestroyResourceOp', [handle], { numOutputs: 0 }).oper);
    this.variables.clear();
    if (targets.length > 0)
      this.session
        .prepare({ feeds: [], fetches: [], targets })([])
        .catch(() => {}); // a session that is broken has lost them already
  }

  private define(name: string, dtype: HostTensor['dtype'], shape: readonly number[]): GraphVariable {
    const { builder } = this;
    builder.scope = `${this.prefix}/`;
    const handle = builder.add('VarHandleOp', [], {
      attrs: [
        { kind: 'type', name: 'dtype', value: dtype },
        { kind: 'shape', name: 'shape', value: shape },
        { kind: 'string', name: 'shared_name', value: `${this.prefix}/${name}` },
      ],
    }).outputs[0]!;
    const read = builder.one('ReadVariableOp', [handle], [{ kind: 'type', name: 'dtype', value: dtype }]);
    builder.handles.set(read.oper, handle);
    const fed = builder.placeholder(dtype, shape);
    const assignFed = builder.add('AssignVariableOp', [handle, fed], { numOutputs: 0 }).oper;
    return { dtype, shape: [...shape], handle, read, fed, assignFed };
  }
}
