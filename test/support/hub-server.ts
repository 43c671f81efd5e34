import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the server misbehaves over one path; each is used up by the number of requests it holds for. */
export interface Trouble {
  /** Answers this status instead. */
  readonly status?: number;
  /** Breaks the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Sends so many bytes of the body and then nothing more. */
  readonly stallAfter?: number;
  /** Sends other bytes than were listed. */
  readonly otherBytes?: boolean;
  readonly times: number;
}

export const COMMIT = 'c0ffee'.padEnd(40, '0');

/** A model hub on the loopback: revision, listing with hashes, files with ranges behind a redirect; and a log of what was asked. */
export class HubServer {
  readonly asked: string[] = [];
  readonly ranges: string[] = [];
  token: string | undefined;
  knowsRanges = true;
  private readonly troubles: { path: RegExp; trouble: Trouble; used: number }[] = [];
  private readonly server = createServer((request, response) => this.answer(request, response));

  constructor(
    readonly repository: string,
    readonly files: Readonly<Record<string, Buffer>>,
  ) {}

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Over requests whose path matches. */
  trouble(path: RegExp, trouble: Trouble): void {
    this.troubles.push({ path, trouble, used: 0 });
  }

  /** Also twice. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url!, this.endpoint);
    this.asked.push(pathname);
    const trouble = this.troubles.find((entry) => entry.path.test(pathname) && entry.used++ < entry.trouble.times)?.trouble ?? { times: 0 };
    if (trouble.status) return void response.writeHead(trouble.status, { 'retry-after': '0.01' }).end();
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`)
      return void response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"Invalid credentials"}');
    const json = (value: unknown) => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (pathname.startsWith(`/api/models/${this.repository}/revision/`)) {
      const isKnown = ['main', 'v1', COMMIT].includes(pathname.split('/').at(-1)!);
      return isKnown ? json({ _id: '1', id: this.repository, sha: COMMIT }) : void response.writeHead(404).end();
    }
    const tree = `/api/models/${this.repository}/tree/${COMMIT}`;
    if (pathname.startsWith(tree)) {
      const below = pathname.slice(tree.length + 1);
      const listed = Object.entries(this.files).filter(([path]) => !below || path.startsWith(`${below}/`));
      if (listed.length === 0) return void response.writeHead(404).end();
      return json(
        listed.map(([path, bytes]) => ({
          type: 'file',
          path,
          size: bytes.length,
          oid: gitId(bytes),
          ...(/\.(safetensors|bin|pt)$/.test(path) && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 120 } }),
        })),
      );
    }
    const resolved = `/${this.repository}/resolve/${COMMIT}/`;
    if (pathname.startsWith(resolved)) {
      const bytes = this.files[pathname.slice(resolved.length)];
      if (!bytes) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
      return void response.writeHead(302, { location: `/cdn/${pathname.slice(resolved.length)}`, etag: `"${sha256(bytes)}"` }).end();
    }
    if (pathname.startsWith('/cdn/')) return this.send(this.files[pathname.slice(5)]!, request, response, trouble);
    response.writeHead(404).end();
  }

  private send(listed: Buffer, request: IncomingMessage, response: ServerResponse, { cutAfter, stallAfter, otherBytes }: Trouble): void {
    const bytes = otherBytes ? Buffer.from(listed).fill(7) : listed;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    this.ranges.push(request.headers.range ?? 'whole');
    const isProbe = range?.[2] === '0';
    const [from, to] =
      range && (this.knowsRanges || isProbe) ? [Number(range[1]), Math.min(range[2] ? Number(range[2]) + 1 : bytes.length, bytes.length)] : [0, bytes.length];
    const part = bytes.subarray(from, to);
    response.writeHead(range && (this.knowsRanges || isProbe) ? 206 : 200, {
      etag: `"${sha256(listed)}"`,
      'content-length': part.length,
      ...(range && { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }),
    });
    if (stallAfter !== undefined && !isProbe) return void response.write(part.subarray(0, stallAfter));
    if (cutAfter === undefined || isProbe) return void response.end(part);
    response.write(part.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const gitId = (bytes: Buffer): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
