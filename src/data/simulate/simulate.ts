import { join } from 'node:path';
import { writeFileAtomic, writeFolderAtomic } from '../../files.js';
import { Rng } from '../../rng.js';
import { writeNewH5ad, type SparseRows } from '../writers/new-h5ad.js';
import { drawCells, drawPerturbations, steadyState, type Perturbation, type SimulatedCells } from './cells.js';
import type { SimulationConfig } from './config.js';
import { drawNetwork, type GeneNetwork } from './network.js';
import { drawProteins, type SimulatedProtein } from './proteins.js';

/** Cells and all that is true of them. */
export interface Simulation {
  readonly network: GeneNetwork;
  readonly perturbations: readonly Perturbation[];
  readonly proteins: readonly SimulatedProtein[];
  readonly cells: SimulatedCells;
}

/** The same config gives the same cells, and a changed number of them leaves the network as it is. */
export function simulate(config: SimulationConfig): Simulation {
  const rng = Rng.fromSeed(config.seed);
  const network = drawNetwork(config, rng.fork('network'));
  const perturbations = drawPerturbations(config, network, rng.fork('perturbations'));
  const typeLevels = Array.from({ length: config.numCellTypes }, (_, t) => steadyState(network, t, [], config));
  const proteins = drawProteins(config, network, typeLevels, rng.fork('proteins'));
  return { network, perturbations, proteins, cells: drawCells(network, perturbations, proteins, config, rng.fork('cells')) };
}

export interface SimulationSummary {
  readonly numCells: number;
  readonly numGenes: number;
  readonly numEdges: number;
  readonly numPerturbations: number;
  readonly numCellTypes: number;
  readonly numBatches: number;
  readonly numProteins: number;
  readonly medianDepth: number;
}

/**
 * Writes a simulation as a folder: cells.h5ad (counts; obs perturbation, cell_type, batch, is_doublet), network.csv (the true edges as BEELINE
 * writes them), truth.csv (noise-free levels of every cell type and perturbation) and simulation.json (the config). Where there are proteins, their counts
 * are obsm['protein_expression'] and proteins.csv says which gene each is made from.
 * @throws OutputError
 */
export async function writeSimulation(
  { network, perturbations, proteins, cells }: Simulation,
  config: SimulationConfig,
  out: string,
): Promise<SimulationSummary> {
  const numCells = cells.perturbation.length;
  const edges = network.regulations.flatMap(({ regulators, signs, strengths }, gene) =>
    regulators.map((r, i) => [network.geneNames[r], network.geneNames[gene], signs[i] === 1 ? '+' : '-', strengths[i]!.toFixed(4)].join(',')),
  );
  await writeFolderAtomic(out, async (folder) => {
    await writeNewH5ad({
      output: join(folder, 'cells.h5ad'),
      cellIds: Array.from({ length: numCells }, (_, i) => `cell_${i}`),
      geneNames: network.geneNames,
      x: cells.counts,
      obs: {
        perturbation: { kind: 'categorical', categories: perturbations.map(({ name }) => name), codes: cells.perturbation },
        cell_type: { kind: 'categorical', categories: typeNames(config.numCellTypes), codes: cells.cellType },
        batch: { kind: 'categorical', categories: Array.from({ length: config.numBatches }, (_, b) => `batch_${b}`), codes: cells.techBatch },
        is_doublet: { kind: 'numeric', values: Int32Array.from(cells.isDoublet) },
      },
      obsm:
        proteins.length > 0
          ? {
              protein_expression: Object.fromEntries(
                proteins.map(({ name }, p) => [name, Float64Array.from({ length: numCells }, (_, i) => cells.proteins[i * proteins.length + p]!)]),
              ),
            }
          : {},
      var: { is_factor: { kind: 'numeric', values: Int32Array.from(network.geneNames, (_, g) => (g < network.numFactors ? 1 : 0)) } },
    });
    await writeFileAtomic(join(folder, 'network.csv'), `${['Gene1,Gene2,Type,Strength', ...edges].join('\n')}\n`);
    if (proteins.length > 0)
      await writeFileAtomic(
        join(folder, 'proteins.csv'),
        `${['protein,gene,exponent', ...proteins.map(({ name, gene, exponent }) => `${name},${network.geneNames[gene]},${exponent.toFixed(4)}`)].join('\n')}\n`,
      );
    await writeFileAtomic(join(folder, 'truth.csv'), `${truthLines({ network, perturbations }, config).join('\n')}\n`);
    await writeFileAtomic(join(folder, 'simulation.json'), `${JSON.stringify(config, null, 2)}\n`);
  });
  return {
    numCells,
    numGenes: network.geneNames.length,
    numEdges: edges.length,
    numPerturbations: perturbations.length - 1,
    numCellTypes: config.numCellTypes,
    numBatches: config.numBatches,
    numProteins: proteins.length,
    medianDepth: medianDepth(cells.counts),
  };
}

function truthLines({ network, perturbations }: Pick<Simulation, 'network' | 'perturbations'>, config: SimulationConfig): string[] {
  const header = ['cell_type', 'perturbation', ...network.geneNames].join(',');
  return [
    header,
    ...typeNames(config.numCellTypes).flatMap((type, t) =>
      perturbations.map(({ name, genes }) => [type, name, ...Array.from(steadyState(network, t, genes, config), (level) => level.toFixed(5))].join(',')),
    ),
  ];
}

function typeNames(numCellTypes: number): string[] {
  return Array.from({ length: numCellTypes }, (_, t) => `type_${t}`);
}

function medianDepth({ indptr, values }: SparseRows): number {
  const totals = Float64Array.from({ length: indptr.length - 1 }, (_, row) =>
    values.subarray(indptr[row]!, indptr[row + 1]!).reduce((sum, v) => sum + v, 0),
  ).sort();
  return totals[totals.length >> 1]!;
}
