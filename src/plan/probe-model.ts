import type { MeasuredStep, ProbeResult, ProbeSpec } from './probe-spec.js';
import { runProbe } from './probe.js';

/** What was measured, as if of the whole training step. */
export interface Probed extends ProbeResult {
  /** What was run: layers of the model, cells at once. Where the whole is not among them, its figures are extrapolated from these. */
  readonly runs: readonly { readonly numLayers: number; readonly numCells: number }[];
  readonly isExtrapolated: boolean;
}

/** Gene slots of the smallest batch that is tried: below some such number products run slower than in larger batches. */
const MIN_SLOTS = 2_048;

/**
 * Probes the model, or smaller ones where the whole would take longer than `maxSeconds`: fewer layers, and fewer cells at once.
 * Time and memory are straight lines in either: a layer costs what the layer before it costs, a cell what the cell before it.
 */
export async function probeModel(spec: ProbeSpec, maxSeconds: number, signal?: AbortSignal): Promise<Probed> {
  const [n, c] = [spec.model.numLayers, spec.numCells];
  const [n1, n2] = fewLayers(spec);
  const c1 = Math.ceil(MIN_SLOTS / spec.lengths.at(-1)!.seqLen);
  const c2 = c1 + Math.ceil(c1 / 2);
  const [hasFewerLayers, hasFewerCells] = [n > n2, c > c2];
  const runs: Probed['runs'][number][] = [];
  const run = (numLayers: number, numCells: number): Promise<ProbeResult> => {
    runs.push({ numLayers, numCells });
    return runProbe({ ...spec, numCells, model: { ...spec.model, numLayers } }, signal);
  };
  const whole = async (): Promise<Probed> => ({ ...(await run(n, c)), runs: [{ numLayers: n, numCells: c }], isExtrapolated: false });
  if (!hasFewerLayers && !hasFewerCells) return whole();

  const first = await run(hasFewerLayers ? n1 : n, hasFewerCells ? c1 : c);
  const growth = (hasFewerLayers ? n / n1 : 1) * (hasFewerCells ? c / c1 : 1);
  if (first.seconds * growth <= maxSeconds) return whole();
  /** The figures of all layers for that many cells. */
  const allLayers = async (cells: number, begun?: ProbeResult): Promise<ProbeResult> => {
    if (!hasFewerLayers) return begun ?? run(n, cells);
    return extrapolate(begun ?? (await run(n1, cells)), await run(n2, cells), (n - n1) / (n2 - n1));
  };
  if (!hasFewerCells) return { ...(await allLayers(c, first)), runs, isExtrapolated: true };
  const few = await allLayers(c1, first);
  return { ...extrapolate(few, await allLayers(c2), (c - c1) / (c2 - c1)), runs, isExtrapolated: true };
}

/** Two numbers of layers to draw the line through: layers that learn stay as many as in the whole model. */
function fewLayers({ training, model }: ProbeSpec): [number, number] {
  const learning = training.task === 'annotation' && training.config.tune.kind === 'lastLayers' ? training.config.tune.numLayers : 0;
  return [learning + 1, Math.max(learning + 3, Math.ceil(model.numLayers / 3))];
}

/** The point `at` on the lines through two probes: 0 is the first, 1 the second. */
export function extrapolate(a: ProbeResult, b: ProbeResult, at: number): ProbeResult {
  const line = (ya: number, yb: number): number => Math.max(0, ya + (yb - ya) * at);
  const lines = <T extends Readonly<Record<string, number>>>(x: T, y: T): T =>
    Object.fromEntries(Object.entries(x).map(([name, value]) => [name, line(value, y[name]!)])) as T;
  const steps = a.steps.map((step, i): MeasuredStep => {
    const { ms2, ...numbers } = step;
    const { ms2: otherMs2, ...others } = b.steps[i]!;
    return { ...lines(numbers, others), ...(ms2 !== undefined && { ms2: line(ms2, otherMs2!) }) };
  });
  return {
    ...b,
    parameters: Object.fromEntries(Object.entries(lines(a.parameters, b.parameters)).map(([part, count]) => [part, Math.round(count)])),
    numTrainable: Math.round(line(a.numTrainable, b.numTrainable)),
    steps,
    compileMs: line(a.compileMs, b.compileMs),
    bytesPerShape: line(a.bytesPerShape, b.bytesPerShape),
    evaluationMs: line(a.evaluationMs, b.evaluationMs),
    ...(a.embeddingMs !== undefined && { embeddingMs: line(a.embeddingMs, b.embeddingMs!) }),
    snapshotMs: line(a.snapshotMs, b.snapshotMs),
    memory: lines(a.memory, b.memory),
  };
}
