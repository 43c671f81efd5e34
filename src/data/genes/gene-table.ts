import { createHash } from 'node:crypto';
import { withoutVersion } from './gene-ids.js';

/** A gene with every name it goes by. */
export interface KnownGene {
  /** The approved symbol; '' where the gene has only an Ensembl id. */
  readonly symbol: string;
  /** Without version; '' when unknown. */
  readonly ensemblId: string;
  /** Symbols that were approved once. */
  readonly previous: readonly string[];
  readonly aliases: readonly string[];
}

/** How a name led to a gene, best first. */
export type NameKind = 'ensemblId' | 'symbol' | 'previous' | 'alias';

export type Resolution =
  | { readonly kind: NameKind; readonly gene: number }
  /** An outdated symbol or alias of several genes: which one is meant cannot be told. */
  | { readonly kind: 'ambiguous'; readonly genes: readonly number[] };

const COLUMNS = ['symbol', 'ensembl_id', 'previous_symbols', 'aliases'] as const;
const HEADER = COLUMNS.join('\t');

/**
 * The genes of a species with their present and former names. A name is looked up as Ensembl id, approved symbol, previous
 * symbol and alias, in this order; a previous symbol or an alias counts only where it belongs to one gene.
 */
export class GeneTable {
  /** sha256 over the table: two builds used the same names when this is equal. */
  readonly hash: string;
  private readonly byEnsembl = new Map<string, number>();
  private readonly bySymbol = new Map<string, number>();
  private readonly byPrevious = new Map<string, number[]>();
  private readonly byAlias = new Map<string, number[]>();

  constructor(readonly genes: readonly KnownGene[]) {
    genes.forEach((gene, i) => {
      if (gene.ensemblId && !this.byEnsembl.has(gene.ensemblId)) this.byEnsembl.set(gene.ensemblId, i);
      // Several Ensembl genes share a symbol: the first of the table is meant.
      if (gene.symbol && !this.bySymbol.has(gene.symbol)) this.bySymbol.set(gene.symbol, i);
      for (const name of gene.previous) append(this.byPrevious, name, i);
      for (const name of gene.aliases) append(this.byAlias, name, i);
    });
    this.hash = createHash('sha256').update(this.toTsv()).digest('hex');
  }

  /** The gene a name stands for; undefined for a name the table does not have. */
  resolve(name: string): Resolution | undefined {
    if (name === '') return undefined;
    const byEnsembl = this.byEnsembl.get(withoutVersion(name));
    if (byEnsembl !== undefined) return { kind: 'ensemblId', gene: byEnsembl };
    const bySymbol = this.bySymbol.get(name);
    if (bySymbol !== undefined) return { kind: 'symbol', gene: bySymbol };
    for (const [kind, index] of [
      ['previous', this.byPrevious],
      ['alias', this.byAlias],
    ] as const) {
      const genes = index.get(name);
      if (genes) return genes.length === 1 ? { kind, gene: genes[0]! } : { kind: 'ambiguous', genes };
    }
    return undefined;
  }

  /** Previous symbols and aliases that lead to a gene, and those that several genes claim. */
  countNames(): { numUsable: number; numAmbiguous: number } {
    let [numUsable, numAmbiguous] = [0, 0];
    for (const name of new Set([...this.byPrevious.keys(), ...this.byAlias.keys()])) {
      const found = this.resolve(name)!;
      if (found.kind === 'ambiguous') numAmbiguous++;
      else if (found.kind === 'previous' || found.kind === 'alias') numUsable++;
    }
    return { numUsable, numAmbiguous };
  }

  /** `symbol ensembl_id previous_symbols aliases`, one gene a line with a header; several names of a column are joined by `|`. */
  toTsv(): string {
    return `${HEADER}\n${this.genes.map(({ symbol, ensemblId, previous, aliases }) => `${symbol}\t${ensemblId}\t${previous.join('|')}\t${aliases.join('|')}\n`).join('')}`;
  }
}

function append(index: Map<string, number[]>, name: string, gene: number): void {
  const genes = index.get(name);
  if (!genes) index.set(name, [gene]);
  else if (!genes.includes(gene)) genes.push(gene);
}

/**
 * Several lists as one table. Entries are the same gene when their Ensembl ids agree, or their symbols where one of them has
 * no Ensembl id. The symbol of the earlier list stays; another one that a later list gives the same id becomes an alias.
 */
export function mergeGenes(lists: readonly (readonly KnownGene[])[]): GeneTable {
  const merged: { symbol: string; ensemblId: string; previous: Set<string>; aliases: Set<string> }[] = [];
  const byEnsembl = new Map<string, number>();
  const bySymbol = new Map<string, number>();
  for (const { symbol, ensemblId, previous, aliases } of lists.flat()) {
    const sameId = ensemblId ? byEnsembl.get(ensemblId) : undefined;
    const sameSymbol = symbol ? bySymbol.get(symbol) : undefined;
    const known = sameId ?? (sameSymbol !== undefined && (!ensemblId || !merged[sameSymbol]!.ensemblId) ? sameSymbol : undefined);
    const at = known ?? merged.push({ symbol, ensemblId, previous: new Set(), aliases: new Set() }) - 1;
    const entry = merged[at]!;
    if (symbol && entry.symbol && entry.symbol !== symbol) entry.aliases.add(symbol);
    entry.symbol ||= symbol;
    entry.ensemblId ||= ensemblId;
    for (const name of previous) entry.previous.add(name);
    for (const name of aliases) entry.aliases.add(name);
    if (entry.symbol && !bySymbol.has(entry.symbol)) bySymbol.set(entry.symbol, at);
    if (entry.ensemblId && !byEnsembl.has(entry.ensemblId)) byEnsembl.set(entry.ensemblId, at);
  }
  return new GeneTable(
    merged.map((entry) => {
      entry.previous.delete(entry.symbol);
      return {
        symbol: entry.symbol,
        ensemblId: entry.ensemblId,
        previous: [...entry.previous],
        aliases: [...entry.aliases].filter((name) => name !== entry.symbol && !entry.previous.has(name)),
      };
    }),
  );
}
