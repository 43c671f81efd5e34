import type { SessionConfig } from '../config.js';
import type { HostTensor } from '../program.js';
import type { CApi, Output, Pointer } from './c-api.js';
import { cApi, checkStatus, newTensor, packOutputs, readBuffer, readTensor } from './c-api.js';
import { encodeConfigProto, type GroupPlace } from './config-proto.js';
import type { OpTime } from './profile.js';
import { FULL_TRACE, decodeOpTimes } from './profile.js';

/** What one kind of run feeds, fetches and brings about. TensorFlow prepares each once, at its first run. */
export interface RunSignature {
  readonly feeds: readonly Output[];
  readonly fetches: readonly Output[];
  /** Ops to run for their effect. */
  readonly targets: readonly Pointer[];
}

/** What a session needs that runs on this process's server, beside those of others. */
export interface SessionGroup {
  readonly target: string;
  readonly place: GroupPlace;
  /** Rejects when the group is broken: a run that waits for its members will not end. */
  readonly lost: Promise<never>;
  explain(error: Error): Promise<Error>;
}

/**
 * A TensorFlow session over one graph. Runs happen off the main thread, one after another in the order they were asked for, so
 * that programs sharing variables see each other's updates as if they had run at once.
 */
export class Session {
  private readonly api: CApi = cApi();
  private readonly session: Pointer;
  private last: Promise<unknown> = Promise.resolve();
  private isEnding = false;
  private isBroken = false;
  private opTimes: OpTime[] | undefined;

  /**
   * @param open gives the session, from options; default: a new one over the graph
   * @param group the other processes that runs may wait for
   */
  constructor(
    graph: Pointer,
    config: SessionConfig,
    open?: (options: Pointer, status: Pointer) => Pointer,
    private readonly group?: SessionGroup,
  ) {
    const { api } = this;
    const options = api.newSessionOptions() as Pointer;
    const status = api.newStatus() as Pointer;
    try {
      const proto = encodeConfigProto(config, group?.place);
      if (group) api.setTarget(options, group.target);
      api.setConfig(options, proto, proto.length, status);
      checkStatus(api, status, (text) => new Error(`TensorFlow refused the session's configuration: ${text}`));
      this.session = open ? open(options, status) : (api.newSession(graph, options, status) as Pointer);
      checkStatus(api, status, (text) => new Error(`TensorFlow could not start a session: ${text}`));
    } finally {
      api.deleteSessionOptions(options);
      api.deleteStatus(status);
    }
  }

  /** A function that runs this signature: values to feed in, values fetched out, both in the signature's order. */
  prepare(signature: RunSignature): (values: readonly HostTensor[]) => Promise<HostTensor[]> {
    const packed = {
      feeds: packOutputs(signature.feeds),
      fetches: packOutputs(signature.fetches),
      targets: BigUint64Array.from(signature.targets),
    };
    let isFirst = true;
    return async (values) => {
      if (this.isEnding) throw new Error('the executor is disposed');
      const run = this.last.then(async () => {
        const results = await this.together(this.run(packed, values));
        // Preparing a run, TensorFlow copies and rewrites the graph; the heap it did that on goes back to the system.
        if (isFirst) this.api.mallocTrim(0);
        isFirst = false;
        return results;
      });
      this.last = run.catch(() => undefined); // the caller gets the error; the next run goes ahead
      return await run;
    };
  }

  /** A run among others ends with the group, too, though TensorFlow would wait on. */
  private async together<T>(run: Promise<T>): Promise<T> {
    const { group } = this;
    if (!group) return run;
    const explained = run.catch(async (error: unknown) => Promise.reject(await group.explain(error as Error)));
    const lost = group.lost.catch((error: unknown) => {
      this.isBroken = true;
      throw error;
    });
    return Promise.race([explained, lost]);
  }

  private async run(packed: { feeds: BigUint64Array; fetches: BigUint64Array; targets: BigUint64Array }, values: readonly HostTensor[]): Promise<HostTensor[]> {
    const { api } = this;
    const results = new BigUint64Array(packed.fetches.length / 2);
    const status = api.newStatus() as Pointer;
    const fed: Pointer[] = [];
    const { opTimes } = this;
    const runOptions = opTimes ? (api.newBufferFrom(FULL_TRACE, FULL_TRACE.length) as Pointer) : null;
    const runMetadata = opTimes ? (api.newBuffer() as Pointer) : null;
    try {
      for (const value of values) fed.push(newTensor(api, value));
      const fedPointers = BigUint64Array.from(fed);
      await new Promise<void>((resolve, reject) => {
        api.sessionRun.async(
          this.session,
          runOptions,
          packed.feeds,
          fedPointers,
          fed.length,
          packed.fetches,
          results,
          results.length,
          packed.targets,
          packed.targets.length,
          runMetadata,
          status,
          (error: unknown) => (error ? reject(error as Error) : resolve()),
        );
      });
      checkStatus(api, status, (text) => new Error(text));
      if (opTimes && runMetadata) opTimes.push(...decodeOpTimes(readBuffer(runMetadata)));
      return Array.from(results, (tensor) => readTensor(api, tensor));
    } finally {
      for (const tensor of [...fed, ...results]) if (tensor) api.deleteTensor(tensor);
      for (const buffer of [runOptions, runMetadata]) if (buffer) api.deleteBuffer(buffer);
      api.deleteStatus(status);
    }
  }

  /** Measures every op of the runs that are made while `work` is under way; they take longer than usual. */
  async profile<T>(work: () => Promise<T>): Promise<{ result: T; opTimes: OpTime[] }> {
    const opTimes: OpTime[] = (this.opTimes = []);
    try {
      return { result: await work(), opTimes };
    } finally {
      this.opTimes = undefined;
    }
  }

  /** No further run is possible; what lived in the session is gone or about to go. */
  get isClosed(): boolean {
    return this.isEnding;
  }

  /** Ends the session once the runs under way are over, then calls `after`. */
  close(after: () => void): void {
    if (this.isEnding) return;
    this.isEnding = true;
    void this.last.then(() => {
      if (this.isBroken) return; // a run that waits for a worker that has gone would be waited for in turn
      const status = this.api.newStatus() as Pointer;
      this.api.closeSession(this.session, status);
      this.api.deleteSession(this.session, status);
      this.api.deleteStatus(status);
      after();
    });
  }
}
