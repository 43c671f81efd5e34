import { defineVerb } from '../verb.js';

/** `scdiva data simulate --out FOLDER`: cells with known truth. */
export const dataSimulate = defineVerb({
  command: 'simulate',
  describe: 'make cells of a known gene network: cell types, perturbations, batches, and the truth beside them',
  options: (y) =>
    y
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'folder for cells.h5ad, network.csv, truth.csv and simulation.json; replaced if it is there',
      })
      .option('config', { type: 'string', requiresArg: true, describe: 'YAML with the keys of simulation.json' })
      .option('set', { type: 'string', array: true, nargs: 1, describe: 'key=value over the config: --set numGenes=500 --set mode=activation' })
      .option('seed', { type: 'number', requiresArg: true, describe: 'as --set seed=N' }),
  async run({ out, config: path, set = [], seed }) {
    const [{ loadConfig }, { SimulationConfig }, { simulate, writeSimulation }] = await Promise.all([
      import('../../config/load.js'),
      import('../../data/simulate/config.js'),
      import('../../data/simulate/simulate.js'),
    ]);
    const config = await loadConfig(SimulationConfig, path, [...set, ...(seed === undefined ? [] : [`seed=${seed}`])]);
    const summary = await writeSimulation(simulate(config), config, out);
    return {
      json: { out, ...summary, seed: config.seed },
      text: [
        `${out}/cells.h5ad: ${summary.numCells} cells × ${summary.numGenes} genes, ${summary.medianDepth} molecules a cell (median); ${summary.numCellTypes} cell types, ${summary.numBatches} batches`,
        `${summary.numPerturbations} perturbations (${config.mode}) and control in obs['perturbation']; pairs are joined by +`,
        ...(summary.numProteins > 0 ? [`${summary.numProteins} surface proteins in obsm['protein_expression']; ${out}/proteins.csv: the gene of each`] : []),
        `${out}/network.csv: the ${summary.numEdges} true edges; truth.csv: noise-free levels by cell type and perturbation`,
      ].join('\n'),
    };
  },
});
