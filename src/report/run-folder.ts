import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataError } from '../errors.js';
import type { FileInspection } from '../data/inspect/inspect.js';
import { openCorpus } from '../data/corpus/corpus.js';
import { readReleaseConfig } from '../model/release-config.js';
import { readMetrics } from '../train/metrics-log.js';
import type { RunManifest } from '../train/run-manifest.js';
import { resultFile, type TaskResult } from '../tasks/finetune/methods.js';
import { annotationSections, type AnnotationJson } from './annotation-results.js';
import type { CellMap, DataCard, ModelCard, ReportData, TrainingCurves } from './data.js';
import { formatScore, formatSeconds } from './numbers.js';
import { dataCard, environmentFacts, labelCounts, modelFacts, runFacts } from './run-facts.js';
import { resultSections } from './task-results.js';
import { trainingPanels } from './training-curves.js';

/**
 * run.json of a run of several steps that ends in a report. Beside it stand data.json (what the file holds), map.json (where
 * the cells lie), and the folders corpus/, pretrain/ and annotation/.
 */
export interface CompositeManifest {
  readonly task: 'quickstart';
  /** What the cells are called: the file's name. */
  readonly name: string;
  readonly command: string;
  readonly startedAt: string;
  readonly seed: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly host: Readonly<Record<string, string | number>>;
  readonly steps: readonly { readonly name: string; readonly seconds: number; readonly isReused: boolean }[];
  readonly notes: readonly string[];
}

/** Names of the files that a report is made from, beside those of a training run. */
export const REPORT_FILES = {
  manifest: 'run.json',
  inspection: 'data.json',
  map: 'map.json',
  results: 'annotation.json',
  metrics: 'metrics.json',
  corpus: 'corpus',
  pretraining: 'pretrain',
  annotation: 'annotation',
} as const;

/**
 * Everything a report shows of a run, read from its folder.
 * @param folder of `scdiva quickstart`, `pretrain` or `finetune`
 * @throws DataError naming the file that is missing or damaged
 */
export async function readRun(folder: string): Promise<ReportData> {
  const manifest = await readJson<RunManifest | CompositeManifest>(folder, REPORT_FILES.manifest);
  return isComposite(manifest) ? readComposite(folder, manifest) : readTraining(folder, manifest);
}

function isComposite(manifest: RunManifest | CompositeManifest): manifest is CompositeManifest {
  return manifest.task === 'quickstart';
}

async function readTraining(folder: string, manifest: RunManifest): Promise<ReportData> {
  const { task, data, startedAt, resumedAt, endedAt, failure, baselines, metrics } = manifest;
  const results = existsSync(join(folder, resultFile(task))) ? resultSections(await readJson<TaskResult>(folder, resultFile(task))) : {};
  return {
    title: `${task.charAt(0).toUpperCase()}${task.slice(1)}: ${basename(resolve(folder))}`,
    ...results,
    training: [await curves(folder, 'Curves')],
    ...(await ownCorpusCard(data)),
    ...(await modelCard(folder, manifest)),
    manifest: {
      startedAt,
      facts: [
        ...(resumedAt.length ? [{ term: 'resumed', value: resumedAt.join(', ') }] : []),
        ...(endedAt
          ? [{ term: 'took', value: `${formatSeconds((Date.parse(endedAt) - Date.parse(startedAt)) / 1000)}${resumedAt.length ? ' with pauses' : ''}` }]
          : []),
        ...runFacts(manifest),
        ...Object.entries(data).map(([term, value]) => ({ term, value: String(value) })),
      ],
    },
    notes: [...(failure === undefined ? [] : [`The run failed: ${failure}`]), ...pretrainingNote(baselines, metrics)],
  };
}

async function readComposite(folder: string, manifest: CompositeManifest): Promise<ReportData> {
  const { name, command, startedAt, seed, versions, host, steps, notes } = manifest;
  const part = (key: 'corpus' | 'pretraining' | 'annotation') => join(folder, REPORT_FILES[key]);
  const pretraining = await readJson<RunManifest>(part('pretraining'), REPORT_FILES.manifest);
  const annotation = await readJson<RunManifest>(part('annotation'), REPORT_FILES.manifest);
  const inspection = await readJson<FileInspection>(folder, REPORT_FILES.inspection);
  const results = await readJson<AnnotationJson>(part('annotation'), REPORT_FILES.results);
  return {
    title: `ScDiVa on ${name}`,
    subtitle: 'A small model, pretrained on these cells and fine-tuned to name their types, on this machine, beside simple methods given the same cells.',
    ...annotationSections(results),
    map: await readJson<CellMap>(folder, REPORT_FILES.map),
    training: [
      {
        ...(await curves(part('pretraining'), 'Pretraining')),
        note: 'Genes are hidden and filled in again, on the cells of the train split. Dashed lines are guesses that know no more than how often each gene occurs.',
      },
      {
        ...(await curves(part('annotation'), 'Fine-tuning')),
        note: `Cell types, on the labelled cells of the train split${results.seeds.length > 1 ? `; the training with seed ${results.seeds[0]}, the first of ${results.seeds.length}` : ''}.`,
      },
    ],
    dataCard: await corpusCard(part('corpus'), results.labelKey, inspection),
    ...(await modelCard(part('annotation'), annotation)),
    manifest: { command, startedAt, facts: [{ term: 'seed', value: String(seed) }, ...environmentFacts({ versions, host })], steps },
    notes: [...notes, ...pretrainingNote(pretraining.baselines, pretraining.metrics)],
  };
}

async function curves(folder: string, name: string): Promise<TrainingCurves> {
  const { baselines } = await readJson<RunManifest>(folder, REPORT_FILES.manifest);
  const path = join(folder, 'metrics.jsonl');
  return { name, panels: existsSync(path) ? trainingPanels(await readMetrics(path), baselines) : [] };
}

/** The corpus a run was trained on, while it still stands where it stood and is still the same. */
async function ownCorpusCard({ path, fingerprint, labelKey }: RunManifest['data']): Promise<{ dataCard?: DataCard }> {
  if (!existsSync(join(String(path), 'corpus.json'))) return {};
  const corpus = await openCorpus(String(path));
  corpus.close();
  return corpus.fingerprint === fingerprint ? { dataCard: await corpusCard(corpus.path, labelKey === undefined ? undefined : String(labelKey)) } : {};
}

async function corpusCard(path: string, labelKey: string | undefined, inspection?: FileInspection): Promise<DataCard> {
  const corpus = await openCorpus(path);
  try {
    return dataCard(corpus.manifest, { inspection, labels: labelKey === undefined ? undefined : { key: labelKey, rows: labelCounts(corpus, labelKey) } });
  } finally {
    corpus.close();
  }
}

async function modelCard(folder: string, manifest: RunManifest): Promise<{ modelCard?: ModelCard }> {
  const file = join(folder, 'config.json');
  if (!existsSync(file)) return {};
  const { config, ids } = await readReleaseConfig(file);
  return { modelCard: { facts: modelFacts(config, manifest, ids.size) } };
}

/** What pretraining came to, in words. */
function pretrainingNote(baselines: RunManifest['baselines'], metrics: RunManifest['metrics']): string[] {
  const own = metrics?.['identityLoss'];
  const guesses = Object.values(baselines ?? {}).flatMap(({ identityLoss }) => (identityLoss === undefined ? [] : [identityLoss]));
  if (own === undefined || guesses.length === 0) return [];
  const best = Math.min(...guesses);
  const difference = `${formatScore(own)} against ${formatScore(best)} nats a hidden gene`;
  return [
    own < best
      ? `Pretraining learned more than gene frequencies: ${difference} on the validation split.`
      : `Pretraining has learned no more than gene frequencies: ${difference} on the validation split.`,
  ];
}

async function readJson<T>(folder: string, name: string): Promise<T> {
  const file = join(folder, name);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
      throw new DataError({
        file: folder,
        found: existsSync(folder) ? `no ${name} in it` : 'no such folder',
        expected: 'a folder that scdiva quickstart, pretrain or finetune wrote',
        cause,
      });
    throw new DataError({ file, found: `cannot be read (${cause.code})`, cause });
  });
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new DataError({ file, found: 'not JSON: the file is damaged', hint: 'run the command that wrote the folder again', cause });
  }
}
