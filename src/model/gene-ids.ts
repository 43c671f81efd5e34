/**
 * The special ids among the V vocabulary ids, as a model needs them. A `Vocabulary` is one; a checkpoint's config.json gives one.
 * Every other id in [0, size) is a gene.
 */
export interface GeneIdLayout {
  /** V, the number of embedding rows and of classes the gene head tells apart. */
  readonly size: number;
  /** Fills the slots behind a cell's last gene. */
  readonly padId: number;
  /** Stands in a slot whose gene is unknown. Its embedding row is never seen: masked slots take the learned vector. */
  readonly maskId: number;
  /** A second kind of padding that released corpora use; treated as padding. */
  readonly padFillId: number;
  readonly bosId: number;
  readonly eosId: number;
}

export function isGeneId(id: number, ids: GeneIdLayout): boolean {
  return id >= 0 && id < ids.size && id !== ids.padId && id !== ids.maskId && id !== ids.padFillId && id !== ids.bosId && id !== ids.eosId;
}
