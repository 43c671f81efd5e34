import type { Argv } from 'yargs';

/** What weights of others need to be told; `ReleaseOptions` says what each is. */
export interface ReleaseFlags {
  readonly genes: string | undefined;
  readonly entropy: string | undefined;
  readonly 'target-sum': number | undefined;
}

export function releaseFlags(y: Argv): Argv<ReleaseFlags> {
  return y
    .option('genes', { type: 'string', describe: 'weights without genes.tsv: file of the genes in the order of the embedding (tsv, JSON, one a line)' })
    .option('entropy', { type: 'string', describe: 'weights without entropy.tsv: an entropy.tsv, a corpus of the same genes, or none: rank by expression' })
    .option('target-sum', {
      type: 'number',
      describe: 'weights without preprocessing.json: the sum cells were scaled to before log1p',
    }) as unknown as Argv<ReleaseFlags>;
}
