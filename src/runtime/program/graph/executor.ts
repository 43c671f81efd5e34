import type { Cluster } from '../../cluster/cluster.js';
import { areKernelsLoaded } from '../../kernels/load.js';
import { SessionConfig } from '../config.js';
import type { CompileOptions, Executor, HostTensor, HostTensors, Program, ProgramFn } from '../program.js';
import type { GraphBackend } from './backend.js';
import { graphBackend } from './backend.js';
import { GraphBuilder } from './builder.js';
import type { Product } from './product.js';
import type { OpTime } from './profile.js';
import { Session } from './session.js';
import type { InputSpec, Trace } from './trace.js';
import { trace } from './trace.js';
import { GraphVariables } from './variables.js';

export interface GraphExecutorOptions {
  readonly session?: Partial<SessionConfig>;
  /** Precision of programs compiled without one; f32 unless given. */
  readonly precision?: 'f32' | 'bf16';
  /** The workers that programs may sum over (runtime/ops/sum-over-workers.ts). */
  readonly cluster?: Cluster | undefined;
}

export interface GraphExecutor extends Executor {
  readonly kind: 'graph';
  /** Ops added so far by all programs and variables. */
  readonly numOps: number;
  /** The matrix products of all programs, by the op names that `profile` gives. */
  readonly products: ReadonlyMap<string, Product>;
  compile(fn: ProgramFn, options: CompileOptions): GraphProgram;
  /** Measures every op of the runs made while `work` is under way; `toChromeTrace` draws them. */
  profile<T>(work: () => Promise<T>): Promise<{ result: T; opTimes: OpTime[] }>;
}

/**
 * Runs programs as TensorFlow graphs: a function is traced once for each set of input shapes, gradients and updates included,
 * and every run after that is one call into TensorFlow, off the main thread. All programs and variables of an executor share one
 * graph and one session.
 *
 * Computes what the eager executor computes, to rounding. A disposed program's ops stay in the graph, unused, until the
 * executor is disposed.
 * @throws SetupError when native TensorFlow is not loaded
 */
export function createGraphExecutor(options: GraphExecutorOptions = {}): GraphExecutor {
  const backend = graphBackend();
  const builder = new GraphBuilder();
  const config = SessionConfig.parse(options.session ?? {});
  const isFusing = config.fusedKernels && areKernelsLoaded();
  const session = new Session(builder.graph, { ...config, interOpThreads: config.interOpThreads || (isFusing ? 1 : 0) }, undefined, options.cluster);
  return {
    kind: 'graph',
    async createVariables(initial) {
      const variables = new GraphVariables(builder, session);
      await variables.create(initial);
      return variables;
    },
    compile(fn, compileOptions) {
      const { variables } = compileOptions;
      if (!(variables instanceof GraphVariables) || variables.builder !== builder) throw new Error('these variables belong to another executor');
      return new TracedProgram(fn, backend, session, variables, { precision: options.precision ?? 'f32', ...compileOptions }, isFusing, options.cluster);
    },
    get numOps() {
      return builder.numOps;
    },
    products: builder.products,
    profile: (work) => session.profile(work),
    dispose: () => session.close(() => builder.dispose()),
  };
}

type Run = (values: readonly HostTensor[]) => Promise<HostTensor[]>;

/** A program as a graph. */
export interface GraphProgram extends Program {
  /** Traces it for inputs of these shapes, and runs nothing. What `run` does by itself where it has to. */
  trace(inputs: HostTensors): void;
}

class TracedProgram implements GraphProgram {
  private readonly traces = new Map<string, { trace: Trace; run: Run }>();
  private isDisposed = false;

  constructor(
    private readonly fn: ProgramFn,
    private readonly backend: GraphBackend,
    private readonly session: Session,
    private readonly variables: GraphVariables,
    private readonly options: CompileOptions,
    private readonly isFusing: boolean,
    private readonly cluster: Cluster | undefined,
  ) {}

  trace(inputs: HostTensors): void {
    this.traced(inputs);
  }

  async run(inputs: HostTensors): Promise<HostTensors> {
    const { trace, run } = this.traced(inputs);
    const values = await run(trace.inputNames.map((name) => inputs[name]!));
    return Object.fromEntries(trace.outputNames.map((name, i) => [name, values[i]!]));
  }

  dispose(): void {
    this.isDisposed = true;
    this.traces.clear();
  }

  private traced(inputs: HostTensors): { trace: Trace; run: Run } {
    if (this.isDisposed) throw new Error(`program ${this.options.name ?? ''} is disposed`);
    const specs: InputSpec[] = Object.entries(inputs)
      .map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    // Variables are only ever added: their number tells whether the function would see new ones.
    const key = `${this.variables.variables.size}|${specs.map(({ name, dtype, shape }) => `${name}:${dtype}[${shape}]`).join()}`;
    let traced = this.traces.get(key);
    if (!traced) {
      const made = trace(this.fn, this.backend, this.variables, specs, {
        name: this.options.name ?? 'program',
        bf16: this.options.precision === 'bf16',
        isFusing: this.isFusing,
        cluster: this.cluster,
      });
      this.traces.set(key, (traced = { trace: made, run: this.session.prepare(made) }));
    }
    return traced;
  }
}
