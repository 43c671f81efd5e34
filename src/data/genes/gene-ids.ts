/** What the names of a file's genes are. */
export type GeneIdKind = 'symbol' | 'ensembl' | 'ensembl-version' | 'mixed' | 'unknown';
export type GeneSpecies = 'human' | 'mouse' | 'other' | 'unknown';

export interface GeneIdGuess {
  readonly kind: GeneIdKind;
  readonly species: GeneSpecies;
  /** How it was told, for people. */
  readonly evidence: string;
}

const ENSEMBL_GENE = /^ENS([A-Z]{0,6})G\d{11}(\.\d+)?$/;
/** Numbered placeholders: `Gene012`, `feature_7`, `42`. */
const PLACEHOLDER = /^(gene|feature|var|g|x|col|column)?[_.-]?\d+$/i;
/** Human symbols are upper case (`CD3E`, `HLA-DRA`), save open reading frames (`C2orf74`). */
const HUMAN_SYMBOL = /^(?=.*[A-Z])[A-Z0-9._@/-]+$|^C[0-9XY]+orf\d+$/;
/** Mouse symbols have one capital (`Cd3e`, `H2-Aa`), mitochondrial ones none (`mt-Nd1`). */
const MOUSE_SYMBOL = /^[A-Z][a-z0-9]*[a-z][A-Za-z0-9.-]*$|^H2-[A-Z][a-z0-9]+$|^mt-[A-Z]/;

/** Tells symbols from Ensembl ids by their form, and human from mouse. An empty list is unknown. */
export function geneIdKind(names: readonly string[]): GeneIdGuess {
  const total = names.length;
  const count = (form: RegExp) => names.reduce((sum, name) => sum + (form.test(name) ? 1 : 0), 0);
  const numEnsembl = count(ENSEMBL_GENE);
  const numPlaceholders = count(PLACEHOLDER);
  const share = (part: number) => `${Math.round((100 * part) / total)} % of ${total} names`;
  if (total === 0) return { kind: 'unknown', species: 'unknown', evidence: 'there are no genes' };
  if (numPlaceholders * 2 > total)
    return {
      kind: 'unknown',
      species: 'unknown',
      evidence: `${share(numPlaceholders)} are numbers or numbered, such as '${names.find((name) => PLACEHOLDER.test(name))}'`,
    };
  if (numEnsembl >= 0.8 * total) {
    const numVersioned = count(/^ENS.*\.\d+$/);
    const kind = numVersioned * 2 > numEnsembl ? 'ensembl-version' : 'ensembl';
    return { kind, species: ensemblSpecies(names), evidence: `${share(numEnsembl)} are Ensembl ids${kind === 'ensembl-version' ? ' with a version' : ''}` };
  }
  if (numEnsembl >= 0.1 * total) return { kind: 'mixed', species: ensemblSpecies(names), evidence: `${share(numEnsembl)} are Ensembl ids, the others not` };
  const numHuman = count(HUMAN_SYMBOL);
  const numMouse = count(MOUSE_SYMBOL);
  if (numHuman >= 0.5 * total) return { kind: 'symbol', species: 'human', evidence: `${share(numHuman)} are written like human symbols` };
  if (numMouse >= 0.5 * total) return { kind: 'symbol', species: 'mouse', evidence: `${share(numMouse)} are written like mouse symbols` };
  return { kind: 'unknown', species: 'unknown', evidence: `only ${share(numHuman)} are written like human and ${share(numMouse)} like mouse symbols` };
}

/** An Ensembl id without its version; any other name as it is. */
export function withoutVersion(name: string): string {
  return name.replace(/^(ENS[A-Z]*G\d+)\.\d+$/, '$1');
}

/** Whether a name is written like a mouse symbol and not like a human one. */
export function isMouseName(name: string): boolean {
  return MOUSE_SYMBOL.test(name) && !HUMAN_SYMBOL.test(name);
}

export function isEnsemblId(name: string): boolean {
  return ENSEMBL_GENE.test(name);
}

function ensemblSpecies(names: readonly string[]): GeneSpecies {
  const counts = new Map<string, number>();
  for (const name of names) {
    const prefix = ENSEMBL_GENE.exec(name)?.[1];
    if (prefix !== undefined) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1])[0]!;
  return most === '' ? 'human' : most === 'MUS' ? 'mouse' : 'other';
}
