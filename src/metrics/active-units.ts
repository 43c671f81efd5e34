/** A latent dimension is used when the posterior mean varies from cell to cell by more than this (Burda et al. 2016, "Importance Weighted Autoencoders"). */
export const ACTIVE_VARIANCE = 0.01;

/**
 * Dimensions of a latent space whose posterior mean varies over the cells: the others hold nothing. 0 = the posterior has collapsed onto the prior.
 * @param mu [n, numDims] posterior means; at least one cell
 */
export function activeUnits(mu: ArrayLike<number>, numDims: number): number {
  const n = mu.length / numDims;
  let numActive = 0;
  for (let d = 0; d < numDims; d++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += mu[i * numDims + d]! / n;
    let variance = 0;
    for (let i = 0; i < n; i++) variance += (mu[i * numDims + d]! - mean) ** 2 / n;
    if (variance > ACTIVE_VARIANCE) numActive++;
  }
  return numActive;
}
