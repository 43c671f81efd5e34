import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { parseAddress } from './members.js';

/**
 * A call to a method that no TensorFlow server has. gRPC itself answers, from threads of its own, that there is no such method: so a worker
 * answers as long as its process runs and can be reached, however busy it is, and needs no port but its TensorFlow server's.
 */
const CALL = { ':method': 'POST', ':path': '/scdiva.Heartbeat/Beat', 'content-type': 'application/grpc', te: 'trailers' } as const;
/** An empty gRPC message: not compressed, of length 0. */
const NOTHING = Buffer.alloc(5);

/** A call without an answer for so long is given up for one on a new connection. */
const PATIENCE_MS = 4000;

/** What came of the last call. `refused`: the machine is there and nobody listens, as after a process has ended. */
export type Pulse = 'answered' | 'refused' | 'silent' | 'unresolved' | 'foreign';

/** Asks one worker again and again whether it is there. */
export class Heartbeat {
  pulse: Pulse = 'silent';
  /** Answers so far. */
  numAnswers = 0;
  /** Refusals since the last answer. */
  numRefusals = 0;
  private session: ClientHttp2Session | undefined;
  private pending: { readonly call: ClientHttp2Stream; readonly since: number } | undefined;

  constructor(readonly address: string) {}

  /** Calls, unless a call is under way that may still be answered. */
  beat(): void {
    if (this.pending) {
      if (performance.now() - this.pending.since < PATIENCE_MS) return;
      this.drop('silent');
    }
    const session = (this.session ??= this.open());
    const call = session.request(CALL);
    const settle = (pulse: Pulse): void => {
      if (this.pending?.call !== call) return;
      this.pending = undefined;
      this.note(pulse);
    };
    this.pending = { call, since: performance.now() };
    call.on('response', (headers) => settle(String(headers['content-type'] ?? '').startsWith('application/grpc') ? 'answered' : 'foreign'));
    call.on('error', (error: NodeJS.ErrnoException) => settle(pulseOf((error.cause ?? error) as NodeJS.ErrnoException))); // a call that is cancelled is so because of its connection
    call.on('close', () => settle('refused'));
    call.resume();
    call.end(NOTHING);
  }

  close(): void {
    this.drop(this.pulse);
  }

  private open(): ClientHttp2Session {
    const { host, port } = parseAddress(this.address);
    const session = connect(`http://${host.includes(':') ? `[${host}]` : host}:${port}`);
    session.unref();
    session.on('error', (error: NodeJS.ErrnoException) => {
      if (this.session === session) this.drop(pulseOf(error));
    });
    session.on('close', () => {
      if (this.session === session) this.drop('refused');
    });
    return session;
  }

  private drop(pulse: Pulse): void {
    const { session, pending } = this;
    this.session = undefined;
    this.pending = undefined;
    pending?.call.removeAllListeners().on('error', () => {});
    session?.destroy();
    if (pending) this.note(pulse);
  }

  private note(pulse: Pulse): void {
    this.pulse = pulse;
    if (pulse === 'answered') {
      this.numAnswers += 1;
      this.numRefusals = 0;
    } else if (pulse === 'refused') this.numRefusals += 1;
  }
}

function pulseOf({ code = '' }: NodeJS.ErrnoException): Pulse {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'unresolved';
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_HTTP2_STREAM_CANCEL') return 'refused';
  return code.startsWith('ERR_HTTP2') || code === 'EPROTO' || code.startsWith('HPE_') ? 'foreign' : 'silent';
}
