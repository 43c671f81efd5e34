import type { ReportData } from '../data.js';
import { html } from '../html.js';
import { formatCount, formatSeconds } from '../numbers.js';
import { facts, table, type Section } from './section.js';

export function dataSection({ dataCard }: ReportData): Section | undefined {
  if (!dataCard) return undefined;
  const { labels, labelKey } = dataCard;
  const columns = [{ title: labelKey ?? 'label' }, ...['train', 'validation', 'test', 'all'].map((title) => ({ title, isNumber: true }))];
  const counts = (entry: { train: number; validation: number; test: number }) =>
    [entry.train, entry.validation, entry.test, entry.train + entry.validation + entry.test].map(formatCount);
  const sum = (key: 'train' | 'validation' | 'test') => (labels ?? []).reduce((total, entry) => total + entry[key], 0);
  const total = { kind: 'total', cells: ['all labels', ...counts({ train: sum('train'), validation: sum('validation'), test: sum('test') })] };
  return {
    id: 'data',
    title: 'Data',
    body: html`${facts(dataCard.facts)}
${labels && table('Cells of each label in each split', columns, [...labels.map((entry) => ({ cells: [entry.name, ...counts(entry)] })), total])}`,
  };
}

export function modelSection({ modelCard }: ReportData): Section | undefined {
  return modelCard && { id: 'model', title: 'Model', body: facts(modelCard.facts) };
}

/** What is needed to make the run again. */
export function runSection({ manifest }: ReportData): Section {
  const steps = manifest.steps?.map(({ name, seconds, isReused }) => ({ cells: [name, isReused ? 'reused' : formatSeconds(seconds)] }));
  return {
    id: 'run',
    title: 'Run',
    body: html`${manifest.command && html`<p>Command: <code class="command">${manifest.command}</code></p>`}
${facts([{ term: 'started', value: manifest.startedAt }, ...manifest.facts])}
${steps && table('Steps and the time they took', [{ title: 'step' }, { title: 'time', isNumber: true }], steps)}`,
  };
}
