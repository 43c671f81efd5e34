import type { MeasuredStep, ProbeResult, ProbeSpec } from './probe-spec.js';
import { runProbe } from './probe.js';

/** What was measured, as if of the whole model. */
export interface Probed extends ProbeResult {
  /** Layers of the models that were run; where the whole model is not among them, its figures are extrapolated from these. */
  readonly layersRun: readonly number[];
  readonly isExtrapolated: boolean;
}

/** Runs of one step that a probe makes, roughly: to judge beforehand how long it takes. */
const RUNS_PER_STEP = 8;

/**
 * Probes the model, or two models of fewer layers where the whole would take longer than `maxSeconds`: time and memory of
 * a transformer are straight lines in its number of layers.
 */
export async function probeModel(spec: ProbeSpec, maxSeconds: number, signal?: AbortSignal): Promise<Probed> {
  const { numLayers } = spec.model;
  const [few, more] = fewerLayers(spec);
  const run = (layers: number): Promise<ProbeResult> => runProbe({ ...spec, model: { ...spec.model, numLayers: layers } }, signal);
  const whole = async (): Promise<Probed> => ({ ...(await run(numLayers)), layersRun: [numLayers], isExtrapolated: false });
  if (more >= numLayers) return whole();
  const [a, b] = [await run(few), await run(more)];
  const at = extrapolate(a, b, few, more, numLayers);
  const seconds = at.steps.reduce((sum, { ms, ms2 }) => sum + ms + (ms2 ?? 0), 0) * (RUNS_PER_STEP / 2 / 1e3);
  return seconds <= maxSeconds ? whole() : { ...at, layersRun: [few, more], isExtrapolated: true };
}

/** Two numbers of layers to draw the line through: layers that learn stay as many as in the whole model. */
function fewerLayers({ training }: ProbeSpec): [number, number] {
  const learning = training.task === 'annotation' && training.config.tune.kind === 'lastLayers' ? training.config.tune.numLayers : 0;
  return [learning + 1, learning + 3];
}

/** The figures of a model of `n` layers, on the lines through those of `na` and `nb` layers. */
export function extrapolate(a: ProbeResult, b: ProbeResult, na: number, nb: number, n: number): ProbeResult {
  const line = (ya: number, yb: number): number => Math.max(0, ya + ((yb - ya) * (n - na)) / (nb - na));
  const steps = a.steps.map((step, i): MeasuredStep => {
    const other = b.steps[i]!;
    return { ...step, ms: line(step.ms, other.ms), ...(step.ms2 !== undefined && { ms2: line(step.ms2, other.ms2!) }) };
  });
  const lines = <T extends Readonly<Record<string, number>>>(x: T, y: T): T => Object.fromEntries(Object.entries(x).map(([name, value]) => [name, line(value, y[name]!)])) as T;
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
