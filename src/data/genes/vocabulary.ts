import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DataError } from '../../errors.js';

export interface VocabularyGene {
  readonly symbol: string;
  /** Without version suffix; '' when unknown. */
  readonly ensemblId: string;
}

/**
 * The ordered gene list behind the embedding rows, with the special ids the model knows (released layout, V ids):
 * 0 padding, 1 mask, 2 … V-4 genes, V-3 pad-fill, V-2 begin, V-1 end. No other code writes such an id as a literal.
 */
export class Vocabulary {
  readonly size: number;
  readonly padId: number;
  readonly maskId: number;
  readonly padFillId: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly firstGeneId: number;
  readonly genes: readonly VocabularyGene[];
  /** sha256 over the ordered genes: two corpora or a corpus and a checkpoint share a vocabulary when this is equal. */
  readonly hash: string;
  private readonly idBySymbol = new Map<string, number>();
  private readonly idByEnsembl = new Map<string, number>();

  constructor(genes: readonly VocabularyGene[]) {
    this.genes = genes;
    this.padId = 0;
    this.maskId = 1;
    this.firstGeneId = 2;
    this.size = genes.length + 5;
    this.padFillId = this.size - 3;
    this.bosId = this.size - 2;
    this.eosId = this.size - 1;
    genes.forEach((gene, i) => {
      const id = this.firstGeneId + i;
      // The first of two equal names keeps it; the lists released with checkpoints do repeat symbols.
      if (gene.symbol && !this.idBySymbol.has(gene.symbol)) this.idBySymbol.set(gene.symbol, id);
      if (gene.ensemblId && !this.idByEnsembl.has(gene.ensemblId)) this.idByEnsembl.set(gene.ensemblId, id);
    });
    this.hash = createHash('sha256').update(this.toTsv()).digest('hex');
  }

  /** Id of a gene by symbol or Ensembl id (version suffix ignored); undefined when it is not in the vocabulary. */
  idOf(name: string): number | undefined {
    return this.idBySymbol.get(name) ?? this.idByEnsembl.get(name.replace(/^(ENS[A-Z]*G\d+)\.\d+$/, '$1'));
  }

  isGene(id: number): boolean {
    return id >= this.firstGeneId && id < this.padFillId;
  }

  /** @throws RangeError for an id that is not a gene */
  gene(id: number): VocabularyGene {
    const gene = this.genes[id - this.firstGeneId];
    if (!this.isGene(id) || !gene) throw new RangeError(`${id} is not a gene of this vocabulary`);
    return gene;
  }

  /** `id symbol ensembl_id`, one gene a line with a header: the genes.tsv of checkpoints. */
  toTsv(): string {
    return `id\tsymbol\tensembl_id\n${this.genes.map((gene, i) => `${i + this.firstGeneId}\t${gene.symbol}\t${gene.ensemblId}\n`).join('')}`;
  }

  /** @throws DataError naming the line at fault */
  static parseTsv(text: string, file: string): Vocabulary {
    const [header, ...lines] = text.trimEnd().split(/\r?\n/);
    if (header !== 'id\tsymbol\tensembl_id')
      throw new DataError({ file, key: 'line 1', found: `'${header ?? ''}'`, expected: 'the header id, symbol, ensembl_id separated by tabs' });
    return new Vocabulary(
      lines.map((line, i) => {
        const [id, symbol, ensemblId] = line.split('\t');
        if (Number(id) !== i + 2 || symbol === undefined)
          throw new DataError({ file, key: `line ${i + 2}`, found: `'${line}'`, expected: `id ${i + 2}, a symbol and an Ensembl id separated by tabs` });
        return { symbol, ensemblId: ensemblId ?? '' };
      }),
    );
  }

  static async read(file: string): Promise<Vocabulary> {
    const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new DataError({ file, found: cause.code === 'ENOENT' ? 'no such file' : `cannot be read (${cause.code})`, cause });
    });
    return Vocabulary.parseTsv(text, file);
  }
}
