import { describe, expect, it } from 'vitest';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/load.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { steadyState } from '../../../src/data/simulate/cells.js';
import { SimulationConfig } from '../../../src/data/simulate/config.js';
import { readProteins } from '../../../src/data/readers/proteins.js';
import { drawNetwork } from '../../../src/data/simulate/network.js';
import { poisson } from '../../../src/data/simulate/poisson.js';
import { simulate, writeSimulation } from '../../../src/data/simulate/simulate.js';
import { Rng } from '../../../src/rng.js';

const config = parseConfig(SimulationConfig, {
  numGenes: 60,
  numMasters: 4,
  numFactors: 16,
  numSingles: 5,
  numDoubles: 3,
  controlCells: 40,
  cellsPerPerturbation: 24,
  depth: 800,
  synergyShare: 0.6,
});

describe('the simulator', () => {
  it('makes the same cells of the same seed, others of another, and keeps the network when there are more cells', () => {
    const first = simulate(config);
    expect(simulate(config)).toEqual(first);
    expect(simulate({ ...config, seed: 2 }).network).not.toEqual(first.network);
    expect(simulate({ ...config, controlCells: 60 }).network).toEqual(first.network);
  });

  it('regulates every gene but the masters by earlier factors alone', () => {
    const { regulations, numMasters, numFactors } = simulate(config).network;
    regulations.forEach(({ regulators, halfLevels }, gene) => {
      expect(regulators.length > 0).toBe(gene >= numMasters);
      for (const r of regulators) expect(r < Math.min(gene, numFactors)).toBe(true);
      expect(halfLevels.length).toBe(regulators.length);
    });
  });

  it('moves only the descendants of a knocked-out factor, in the direction of a lone edge', () => {
    const network = drawNetwork(config, Rng.fromSeed(9));
    const factor = 5;
    const before = steadyState(network, 0, [], config);
    const after = steadyState(network, 0, [factor], config);
    expect(after[factor]).toBeCloseTo(before[factor]! * 0.05, 9);
    const touched = new Set([factor]);
    network.regulations.forEach(({ regulators, signs }, gene) => {
      if (regulators.some((r) => touched.has(r))) touched.add(gene);
      if (!touched.has(gene)) expect(after[gene]).toBe(before[gene]);
      if (regulators.length === 1 && regulators[0] === factor) expect(Math.sign(after[gene]! - before[gene]!)).toBe(-signs[0]!);
    });
    expect(touched.size).toBeGreaterThan(1);
  });

  it('has pairs whose effect is not the sum of their parts', () => {
    const { network, perturbations } = simulate(config);
    const effect = (genes: readonly number[]) => steadyState(network, 1, genes, config).map((v, g) => v - steadyState(network, 1, [], config)[g]!);
    const gaps = perturbations
      .filter(({ genes }) => genes.length === 2)
      .map(({ genes: [a, b] }) => {
        const [both, one, other] = [effect([a!, b!]), effect([a!]), effect([b!])];
        return Math.max(...both.map((v, g) => Math.abs(v - one[g]! - other[g]!)));
      });
    expect(gaps.length).toBe(3);
    expect(Math.max(...gaps)).toBeGreaterThan(0.05);
  });

  it('draws Poisson numbers: mean and variance are the rate, also where it is large', () => {
    const rng = Rng.fromSeed(8);
    for (const rate of [0.3, 4, 75]) {
      const draws = Array.from({ length: 4000 }, () => poisson(rate, rng));
      const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
      const variance = draws.reduce((sum, v) => sum + (v - mean) ** 2, 0) / draws.length;
      expect(Math.abs(mean / rate - 1)).toBeLessThan(0.08);
      expect(Math.abs(variance / rate - 1)).toBeLessThan(0.15);
    }
  });

  it('gives droplets of two cells twice the molecules, and counts them', () => {
    const cells = simulate({ ...config, dropletDoublets: 0.4, depthSpread: 0 }).cells;
    const depth = (doublet: number) => {
      const totals = Array.from(cells.isDoublet, (is, i) =>
        is === doublet ? cells.counts.values.subarray(cells.counts.indptr[i]!, cells.counts.indptr[i + 1]!).reduce((a, b) => a + b, 0) : NaN,
      ).filter((v) => !Number.isNaN(v));
      return totals.reduce((a, b) => a + b, 0) / totals.length;
    };
    expect(depth(1) / depth(0)).toBeCloseTo(2, 1);
  });

  it('writes a folder that reads back, with every true edge and the levels of every group', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'simulate-'));
    try {
      const out = join(folder, 'sim');
      const simulation = simulate(config);
      const summary = await writeSimulation(simulation, config, out);
      const file = await openCellFile(join(out, 'cells.h5ad'));
      expect([file.numCells, file.obsKeys]).toEqual([40 + 8 * 24, ['perturbation', 'cell_type', 'batch', 'is_doublet']]);
      expect(file.obs('perturbation')).toMatchObject({ categories: simulation.perturbations.map(({ name }) => name) });
      for await (const { indptr, values } of file.matrix('X').rowBlocks()) {
        expect(values).toEqual(simulation.cells.counts.values);
        expect(indptr).toEqual(simulation.cells.counts.indptr);
      }
      file.close();
      expect(readFileSync(join(out, 'network.csv'), 'utf8').trim().split('\n').length).toBe(1 + summary.numEdges);
      expect(readFileSync(join(out, 'truth.csv'), 'utf8').trim().split('\n').length).toBe(1 + 4 * 9);
      expect(parseConfig(SimulationConfig, JSON.parse(readFileSync(join(out, 'simulation.json'), 'utf8')))).toEqual(config);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses sizes that do not fit together', () => {
    expect(() => parseConfig(SimulationConfig, { numSingles: 100 })).toThrow('numSingles');
    expect(() => parseConfig(SimulationConfig, { numSingles: 2, numDoubles: 2 })).toThrow('numDoubles');
  });
});

describe('buffered genes', () => {
  it('stand the loss of one regulator and not of two', () => {
    const buffered = parseConfig(SimulationConfig, {
      numGenes: 60,
      numFactors: 6,
      numMasters: 5,
      minRegulators: 3,
      maxRegulators: 3,
      repressionShare: 0,
      synergyShare: 0,
      bufferedShare: 1,
      numCellTypes: 1,
      numSingles: 2,
      numDoubles: 1,
    });
    const { network } = simulate(buffered);
    const levelsWithout = (lost: readonly number[]) => steadyState(network, 0, lost, buffered);
    const whole = levelsWithout([]);
    const genes = network.regulations.flatMap(({ regulators, logic }, gene) => (logic === 'buffered' && gene >= 6 ? [{ gene, regulators }] : []));
    expect(genes.length).toBeGreaterThan(40);
    const meanLoss = (numLost: number) =>
      genes.reduce((sum, { gene, regulators }) => sum + 1 - levelsWithout(regulators.slice(0, numLost))[gene]! / whole[gene]!, 0) / genes.length;
    expect(meanLoss(2)).toBeGreaterThan(2.5 * meanLoss(1));
  });
});

describe('simulated surface proteins', () => {
  const still = { ...config, cellNoise: 0.02 };
  const withProteins = { ...still, numProteins: 9, proteinNoise: 0.05, proteinDepth: 200, proteinBackground: 2 };

  it('follow the level of their gene, and measuring them changes no gene', () => {
    const { proteins, cells, network } = simulate(withProteins);
    const { proteins: none, ...before } = simulate(still).cells;
    const { proteins: counts, ...after } = cells;
    expect(none).toHaveLength(0);
    expect(after).toEqual(before);
    // Between cell types the mean count moves as the noise-free level of the gene does, to the protein's exponent.
    const types = Array.from({ length: config.numCellTypes }, (_, t) => steadyState(network, t, [], config));
    for (const [p, { gene, exponent, usualLevel }] of proteins.entries()) {
      const means = types.map((_, t) => {
        const own = [...cells.perturbation.keys()].filter((i) => cells.perturbation[i] === 0 && cells.cellType[i] === t);
        return own.reduce((sum, i) => sum + counts[i * 9 + p]!, 0) / own.length;
      });
      const told = types.map((levels) => 2 + 200 * (levels[gene]! / usualLevel) ** exponent);
      for (const [t, mean] of means.entries()) expect(Math.abs(Math.log(mean / told[t]!)), proteins[p]!.name).toBeLessThan(0.35);
    }
  });

  it('are written as a table in obsm that the reader finds by its name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'scdiva-sim-'));
    try {
      const simulation = simulate(withProteins);
      const { numProteins } = await writeSimulation(simulation, withProteins, join(folder, 'sim'));
      const found = await readProteins(join(folder, 'sim/cells.h5ad'));
      expect(numProteins).toBe(9);
      expect(found.where).toBe("obsm['protein_expression']");
      expect(found.isCounts).toBe(true);
      expect(found.names).toEqual(simulation.proteins.map(({ name }) => name));
      expect(Array.from(found.values)).toEqual(Array.from(simulation.cells.proteins));
      expect(readFileSync(join(folder, 'sim/proteins.csv'), 'utf8').split('\n')[1]).toMatch(/^ADT_\w+,\w+,0\.\d+$/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
