/**
 * Which worker keeps the optimiser's state of which parameter, where each keeps a share (ZeRO, stage 1; Rajbhandari et al., 2020): the largest
 * parameter first, each to the worker with the least so far. The same on every worker. A parameter stays whole, so no share is smaller
 * than the largest of them, however many workers there are.
 * @param sizes values of each parameter by name
 * @returns rank by name, in the order of `sizes`
 */
export function parameterOwners(sizes: Readonly<Record<string, number>>, worldSize: number): Record<string, number> {
  const loads = new Float64Array(worldSize);
  const owners: Record<string, number> = Object.fromEntries(Object.keys(sizes).map((name) => [name, 0]));
  for (const [name, size] of Object.entries(sizes).sort(([, a], [, b]) => b - a)) {
    const owner = loads.indexOf(Math.min(...loads));
    owners[name] = owner;
    loads[owner]! += size;
  }
  return owners;
}

/** Values of the largest share. */
export function largestShare(sizes: Readonly<Record<string, number>>, worldSize: number): number {
  const shares = new Float64Array(worldSize);
  for (const [name, owner] of Object.entries(parameterOwners(sizes, worldSize))) shares[owner]! += sizes[name]!;
  return Math.max(...shares);
}
