import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InterruptedError } from '../../errors.js';
import { writeFileAtomic } from '../../files.js';
import { buildCorpus } from '../../data/corpus/build.js';
import { openCorpus } from '../../data/corpus/corpus.js';
import type { FileInspection } from '../../data/inspect/inspect.js';
import { ScDiVaInference } from '../../inference/engine.js';
import { annotateFile, provenanceOf } from '../../inference/annotated-file.js';
import { ScDiVa } from '../../inference/scdiva.js';
import type { AnnotationJson } from '../../report/annotation-results.js';
import { REPORT_FILES, readRun, type CompositeManifest } from '../../report/run-folder.js';
import { writeReport } from '../../report/write.js';
import type { LoadedBackend } from '../../runtime/native/load.js';
import { finetuneAnnotation } from '../../tasks/annotation/finetune.js';
import { pretrain } from '../../tasks/pretraining/pretrain.js';
import { describeHost, describeVersions, type RunManifest } from '../../train/run-manifest.js';
import type { VerbContext } from '../context.js';
import { mapCells } from './cell-map.js';
import { chooseSource, inspectCells, remarksOnLabel, type CellChoice } from './cells.js';
import { quickstartMetrics, type QuickstartMetrics } from './metrics.js';
import { notesOf } from './notes.js';
import { NUM_SEEDS, planRun } from './plan.js';
import { StepLog } from './step-log.js';

export interface QuickstartRequest {
  readonly cells: CellChoice;
  /** Folder with pretrain.yaml and annotation.yaml, where they are not to be the quickstart's own. */
  readonly configs?: string | undefined;
  readonly out: string;
  readonly seed: number;
  readonly backend: LoadedBackend;
  /** Version of this package: another one makes everything anew. */
  readonly version: string;
  /** As typed, for the report. */
  readonly command: string;
}

export interface QuickstartResult {
  readonly out: string;
  readonly report: string;
  readonly annotated: string;
  /** Folder that annotate, embed and evaluate load. */
  readonly checkpoint: string;
  readonly metrics: QuickstartMetrics;
}

const NUM_STEPS = 7;

/**
 * From a file of cells to a report, in seven steps; a step is left alone where what it would make is there already.
 * @throws one-line errors for the user's mistakes; InterruptedError, after which the same command goes on
 */
export async function runQuickstart(request: QuickstartRequest, context: VerbContext): Promise<QuickstartResult> {
  try {
    return await takeSteps(request, context);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw new InterruptedError({ ...error.facts, hint: 'run the same command again: it goes on from there', cause: error });
  }
}

async function takeSteps({ cells, configs, out, seed, backend, version, command }: QuickstartRequest, context: VerbContext): Promise<QuickstartResult> {
  const startedAt = new Date().toISOString();
  const { progress, signal } = context;
  const source = await chooseSource(cells, context);
  const steps = await StepLog.open(out, NUM_STEPS, (line) => context.say(line));
  const [corpus, pretrained, annotation] = [join(out, REPORT_FILES.corpus), join(out, REPORT_FILES.pretraining), join(out, REPORT_FILES.annotation)];
  const annotated = `${source.name}.annotated.h5ad`;
  let file: string | undefined;

  await steps.run({
    name: 'cells',
    title: `look at the cells of ${source.name}`,
    inputs: { version, identity: source.identity, label: cells.label, minClassCells: cells.minClassCells, unlabelled: cells.unlabelled },
    outputs: [REPORT_FILES.inspection],
    work: async () => {
      file = await source.locate();
      await writeJson(join(out, REPORT_FILES.inspection), await inspectCells(file, { ...cells, label: source.labelKey }, context));
    },
  });
  const cellFile = file ?? (await source.locate());
  const labelKey = source.labelKey!; // inspectCells refuses a file without
  const inspection = await readJson<FileInspection>(join(out, REPORT_FILES.inspection));
  for (const remark of remarksOnLabel(inspection, labelKey, cells.unlabelled)) context.say(remark);
  const plan = await planRun({ configs, seed, numCells: inspection.numCells, corpus, pretrained, labelKey });

  await steps.run({
    name: 'corpus',
    title: 'build a corpus, split into train, validation and test cells',
    inputs: { version, identity: source.identity, labelKey, minClassCells: cells.minClassCells, unlabelled: cells.unlabelled, fractions: plan.fractions, seed },
    outputs: ['corpus/corpus.json'],
    folder: REPORT_FILES.corpus,
    work: async () =>
      void (await buildCorpus([cellFile], {
        out: corpus,
        label: labelKey,
        obsKeys: [labelKey],
        minClassCells: cells.minClassCells,
        unlabelled: cells.unlabelled,
        fractions: plan.fractions,
        seed,
        progress,
        signal,
      })),
  });
  const fingerprint = await fingerprintOf(corpus);

  const pretrainedHashes = await steps.run({
    name: 'pretraining',
    title: 'pretrain a small model on the train split',
    inputs: { version, fingerprint, config: plan.pretraining },
    outputs: ['pretrain/model.safetensors', 'pretrain/config.json', 'pretrain/metrics.jsonl', 'pretrain/run.json'],
    folder: REPORT_FILES.pretraining,
    work: async (hasBegun) => {
      const isResumed = hasBegun && existsSync(join(pretrained, 'checkpoints', 'last'));
      if (!isResumed) await rm(pretrained, { recursive: true, force: true });
      await pretrain({ config: plan.pretraining, out: pretrained, isResumed, context });
    },
  });

  const annotationHashes = await steps.run({
    name: 'annotation',
    title: `fine-tune it to name cell types, ${NUM_SEEDS} times, and score it beside baselines on the test split`,
    inputs: { version, fingerprint, pretrained: pretrainedHashes['pretrain/model.safetensors'], config: plan.annotation, numSeeds: NUM_SEEDS },
    outputs: ['model.safetensors', 'head.safetensors', 'head.json', 'exemplars.safetensors', 'config.json', 'annotation.json', 'metrics.jsonl', 'run.json'].map(
      (name) => `annotation/${name}`,
    ),
    folder: REPORT_FILES.annotation,
    work: async () => {
      await rm(annotation, { recursive: true, force: true });
      await finetuneAnnotation({ config: plan.annotation, out: annotation, numSeeds: NUM_SEEDS, context });
    },
  });

  await steps.run({
    name: 'labels',
    title: `label every cell and write ${annotated}`,
    inputs: { version, identity: source.identity, model: annotationHashes },
    outputs: [annotated],
    work: () => labelCells(cellFile, annotation, join(out, annotated), version, context),
  });

  await steps.run({
    name: 'map',
    title: 'draw a map of the cells',
    inputs: { version, fingerprint, model: annotationHashes, seed },
    outputs: [REPORT_FILES.map],
    work: async () => writeJson(join(out, REPORT_FILES.map), await mapCells({ corpus, checkpoint: annotation, labelKey, seed }, context)),
  });

  context.say(`${NUM_STEPS}/${NUM_STEPS} write the report`);
  const results = await readJson<AnnotationJson>(join(annotation, REPORT_FILES.results));
  const metrics = quickstartMetrics(results, await readJson<RunManifest>(join(pretrained, REPORT_FILES.manifest)));
  await writeJson(join(out, REPORT_FILES.metrics), metrics);
  const manifest: CompositeManifest = {
    task: 'quickstart',
    name: source.name,
    command,
    startedAt,
    seed,
    versions: await describeVersions({ tensorflow: `${backend.version} (${backend.kind})` }),
    host: describeHost(),
    steps: steps.times,
    notes: notesOf(plan, results, inspection, backend),
  };
  await writeJson(join(out, REPORT_FILES.manifest), manifest);
  const report = join(out, 'report.html');
  await writeReport(report, await readRun(out));
  return { out, report, annotated: join(out, annotated), checkpoint: annotation, metrics };
}

async function fingerprintOf(folder: string): Promise<string> {
  const corpus = await openCorpus(folder);
  corpus.close();
  return corpus.fingerprint;
}

async function labelCells(input: string, checkpoint: string, output: string, version: string, { progress, signal }: VerbContext): Promise<void> {
  const model = await ScDiVa.fromPretrained(checkpoint);
  const engine = new ScDiVaInference({ model });
  try {
    await annotateFile(engine, { input, output }, await provenanceOf(model, version, true), { progress, signal });
  } finally {
    await engine.dispose();
    model.dispose();
  }
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value)}\n`);
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T;
}
