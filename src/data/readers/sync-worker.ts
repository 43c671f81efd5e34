import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';

/** What a worker answers. Exactly one of the two fields is there. */
export type Answer = { readonly value: unknown } | { readonly error: unknown };

/** Handed to the worker's module as `workerData`. */
export interface WorkerChannel {
  readonly port: MessagePort;
  /** One Int32: 1 once an answer lies in the port. */
  readonly signal: SharedArrayBuffer;
}

/** A worker gave no answer in time. It is gone. */
export class WorkerTimeout extends Error {
  constructor(readonly limitMs: number) {
    super(`no answer within ${limitMs} ms`);
  }
}

/**
 * A worker thread whose answers are waited for: the caller stands still meanwhile, as it would in a call into a library.
 * The library's bugs stay on the other side: one that never returns costs the time limit, not the process.
 */
export class SyncWorker {
  private readonly worker: Worker;
  private readonly port: MessagePort;
  private readonly signal: Int32Array;

  /** @param module compiled module that serves a WorkerChannel (see serve) */
  constructor(module: URL) {
    const { port1, port2 } = new MessageChannel();
    const signal = new SharedArrayBuffer(4);
    const workerData: WorkerChannel = { port: port2, signal };
    this.port = port1;
    this.signal = new Int32Array(signal);
    // What its libraries print as they fail goes nowhere: the answer says it. Flags of the process are not for it: with that of a program
    // given as text it would not start.
    this.worker = new Worker(module, { workerData, transferList: [port2], stdout: true, stderr: true, execArgv: [] });
    // Someone waits for every answer; an idle worker must not keep the process alive, nor its death take the process with it.
    this.worker.unref();
    this.worker.on('error', () => {});
  }

  /** @throws WorkerTimeout, after which the worker is stopped and must not be asked again */
  ask(request: unknown, limitMs: number): Answer {
    Atomics.store(this.signal, 0, 0);
    this.port.postMessage(request);
    const deadline = performance.now() + limitMs;
    for (let left = limitMs; Atomics.load(this.signal, 0) === 0; left = deadline - performance.now()) {
      if (left <= 0) {
        this.stop();
        throw new WorkerTimeout(limitMs);
      }
      Atomics.wait(this.signal, 0, 0, left);
    }
    return receiveMessageOnPort(this.port)!.message as Answer;
  }

  stop(): void {
    this.port.close();
    void this.worker.terminate();
  }
}

/** The worker's side: answers each request with what `handle` makes of it. Buffers named by `transfer` change hands without a copy. */
export function serve({ port, signal }: WorkerChannel, handle: (request: unknown) => unknown, asAnswerable: (error: unknown) => unknown): void {
  const flag = new Int32Array(signal);
  port.on('message', (request: unknown) => {
    void (async () => {
      let answer: Answer;
      try {
        answer = { value: await handle(request) };
      } catch (error) {
        answer = { error: asAnswerable(error) };
      }
      port.postMessage(answer, 'value' in answer && ArrayBuffer.isView(answer.value) ? [answer.value.buffer as ArrayBuffer] : []);
      Atomics.store(flag, 0, 1);
      Atomics.notify(flag, 0);
    })();
  });
}
