import { EigenvalueDecomposition, Matrix, solve } from 'ml-matrix';
import { difference, meanOfProfiles } from '../perturbation/profiles.js';

/** What a perturbation baseline may look at: mean profiles of the control and of the perturbations it may train on. */
export interface TrainingProfiles {
  /** [genes] */
  readonly control: Float64Array;
  /** [genes] by perturbation name; a combination joins names of single ones. */
  readonly trained: ReadonlyMap<string, Float64Array>;
  readonly geneNames: readonly string[];
  /** Joins the parts of a combination; default `+`. */
  readonly separator?: string;
}

/** Nothing happens. */
export function controlMeanBaseline({ control }: TrainingProfiles): Float64Array {
  return control.slice();
}

/** Every perturbation does what the trained ones do on average. @returns undefined when none was trained */
export function trainMeanBaseline({ trained }: TrainingProfiles): Float64Array | undefined {
  return trained.size === 0 ? undefined : meanOfProfiles([...trained.values()]);
}

/** Control plus the trained single effects of the parts. @returns undefined when a part was not trained alone */
export function additiveBaseline(perturbation: string, { control, trained, separator = '+' }: TrainingProfiles): Float64Array | undefined {
  const effects: Float64Array[] = [];
  for (const part of partsOf(perturbation, separator)) {
    const profile = trained.get(part);
    if (!profile) return undefined;
    effects.push(difference(profile, control));
  }
  return control.map((value, gene) => effects.reduce((sum, effect) => sum + effect[gene]!, value));
}

/** Parts of a combination, the control's own name in it (as in `GENE+ctrl`) left out. */
export function partsOf(perturbation: string, separator = '+', controlNames: readonly string[] = ['ctrl', 'control']): string[] {
  return perturbation
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '' && !controlNames.includes(part));
}

/** The linear model, fitted once for all perturbations asked of it. */
export interface LinearModel {
  /** @returns [genes]; undefined when no part of the perturbation is a gene of the matrix */
  readonly predict: (perturbation: string) => Float64Array | undefined;
}

/**
 * The linear baseline of Ahlmann-Eltze, Huber & Anders 2025: profiles Y ≈ G W Pᵀ + b, b the mean of the trained profiles, G the leading left singular
 * vectors of the centred Y (a gene's embedding), P the rows of G at the perturbed genes (of a combination their sum), W by ridge regression.
 * @param rank columns of G, fewer when fewer perturbations were trained
 * @returns undefined when fewer than 2 trained perturbations have a gene in the matrix
 */
export function fitLinearBaseline({ trained, geneNames, separator = '+' }: TrainingProfiles, { rank = 10, ridge = 0.1 } = {}): LinearModel | undefined {
  const geneAt = new Map(geneNames.map((name, i) => [name, i]));
  const genesOf = (perturbation: string): number[] => partsOf(perturbation, separator).flatMap((part) => geneAt.get(part) ?? []);
  const usable = [...trained].filter(([name]) => genesOf(name).length > 0);
  if (usable.length < 2) return undefined;
  const numGenes = geneNames.length;
  const mean = meanOfProfiles(usable.map(([, profile]) => profile));
  const y = new Matrix(usable.map(([, profile]) => Array.from(difference(profile, mean)))).transpose(); // [genes, perturbations]
  // Left singular vectors from the small Gram matrix of perturbations.
  const gram = new EigenvalueDecomposition(y.transpose().mmul(y), { assumeSymmetric: true });
  const order = gram.realEigenvalues.map((value, i) => ({ value, i })).sort((a, b) => b.value - a.value);
  const kept = order.slice(0, rank).filter(({ value }) => value > 1e-10 * order[0]!.value);
  if (kept.length === 0) return undefined;
  const g = Matrix.zeros(numGenes, kept.length);
  kept.forEach(({ value, i }, k) => {
    const column = y.mmul(gram.eigenvectorMatrix.getColumnVector(i)).div(Math.sqrt(value));
    g.setColumn(k, column.to1DArray());
  });
  const embed = (perturbation: string): Matrix => {
    const row = Matrix.zeros(1, kept.length);
    for (const gene of genesOf(perturbation)) row.add(g.getRowVector(gene));
    return row;
  };
  const p = Matrix.zeros(usable.length, kept.length);
  usable.forEach(([name], i) => p.setRow(i, embed(name)));
  const ridged = (m: Matrix): Matrix => m.add(Matrix.eye(kept.length, kept.length).mul(ridge));
  // W = (GᵀG + λI)⁻¹ Gᵀ Y P (PᵀP + λI)⁻¹
  const left = solve(ridged(g.transpose().mmul(g)), g.transpose().mmul(y).mmul(p));
  const w = solve(ridged(p.transpose().mmul(p)), left.transpose()).transpose();
  return {
    predict(perturbation) {
      if (genesOf(perturbation).length === 0) return undefined;
      const effect = g.mmul(w).mmul(embed(perturbation).transpose());
      return mean.map((value, gene) => value + effect.get(gene, 0));
    },
  };
}
