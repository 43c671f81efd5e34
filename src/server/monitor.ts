import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Figures of a server in the words of Prometheus. */
export interface Monitor {
  readonly registry: Registry;
  onResponse(route: string, method: string, status: number, seconds: number): void;
  onBatch(batch: { readonly numCells: number; readonly numCalls: number; readonly seconds: number }): void;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** @param levels read whenever somebody asks for the figures */
export function createMonitor(levels: { readonly requests: () => number; readonly files: () => number; readonly waitingCells: () => number }): Monitor {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void =>
    void new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('scdiva_requests_in_flight', 'JSON requests under way', levels.requests);
  gauge('scdiva_files_in_flight', 'Uploaded files under way', levels.files);
  gauge('scdiva_queue_cells', 'Cells that wait to be computed', levels.waitingCells);
  const requests = new Counter({ name: 'scdiva_http_requests_total', help: 'Answers given', labelNames: ['route', 'method', 'status'], registers });
  const latency = new Histogram({
    name: 'scdiva_http_request_seconds',
    help: 'From the first byte of a request to the last of its answer',
    labelNames: ['route'],
    buckets: SECONDS,
    registers,
  });
  const cells = new Counter({ name: 'scdiva_cells_total', help: 'Cells computed', registers });
  const batchCells = new Histogram({ name: 'scdiva_batch_cells', help: 'Cells computed at once', buckets: [1, 2, 4, 8, 16, 32, 64, 128], registers });
  const batchCalls = new Histogram({
    name: 'scdiva_batch_requests',
    help: 'Requests whose cells were computed at once',
    buckets: [1, 2, 4, 8, 16, 32],
    registers,
  });
  const batchSeconds = new Histogram({ name: 'scdiva_batch_seconds', help: 'Time of computing them', buckets: SECONDS, registers });
  return {
    registry,
    onResponse(route, method, status, seconds) {
      requests.inc({ route, method, status });
      latency.observe({ route }, seconds);
    },
    onBatch({ numCells, numCalls, seconds }) {
      cells.inc(numCells);
      batchCells.observe(numCells);
      batchCalls.observe(numCalls);
      batchSeconds.observe(seconds);
    },
  };
}
