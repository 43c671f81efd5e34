import { Vocabulary } from '../../data/genes/vocabulary.js';
import { Preprocessing } from '../../data/loader/config.js';
import type { AnnotationHeadInfo } from '../../tasks/annotation/head.js';
import { parseEntropyTsv } from '../../train/entropy-table.js';
import type { SiteSettings } from '../messages.js';

/** What the site knows of its model, beside the graph. */
export interface SiteModel {
  readonly settings: SiteSettings;
  readonly vocabulary: Vocabulary;
  readonly entropy: Float32Array;
  readonly preprocessing: Preprocessing;
  readonly head?: AnnotationHeadInfo;
}

/** @param base URL of the folder that holds the page */
export async function loadSiteModel(base: URL): Promise<SiteModel> {
  const text = async (name: string): Promise<string> => {
    const answer = await fetch(new URL(name, base));
    if (!answer.ok) throw new Error(`${name} is not beside the page (${answer.status}): copy the whole folder to the server.`);
    return answer.text();
  };
  const [settings, genes, entropy, preprocessing] = await Promise.all(
    ['settings.json', 'model/genes.tsv', 'model/entropy.tsv', 'model/preprocessing.json'].map(text),
  );
  const parsed = JSON.parse(settings!) as SiteSettings;
  const vocabulary = Vocabulary.parseTsv(genes!, 'genes.tsv');
  const head = parsed.classes.length > 0 ? (JSON.parse(await text('model/head.json')) as AnnotationHeadInfo) : undefined;
  return {
    settings: parsed,
    vocabulary,
    entropy: parseEntropyTsv(entropy!, vocabulary, 'entropy.tsv'),
    preprocessing: Preprocessing.parse(JSON.parse(preprocessing!)),
    ...(head && { head }),
  };
}
