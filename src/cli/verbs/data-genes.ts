import { defineVerb } from '../verb.js';

/** `scdiva data genes --out FILE`: a table of what genes are and were called. */
export const dataGenes = defineVerb({
  command: 'genes',
  describe: 'make a table of gene names (symbols, Ensembl ids, old symbols, aliases) for --gene-table',
  options: (y) =>
    y
      .option('from', {
        type: 'string',
        array: true,
        nargs: 1,
        describe:
          'HGNC table, BioMart export, GTF, or lines of Ensembl id and symbol; plain or gzipped; repeatable, the first has the last word on symbols [default: HGNC and GENCODE for human, from two pinned Python packages]',
      })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'the table to write (.tsv)' }),
  async run({ from, out }, { progress, signal }) {
    const [{ readGeneTable }, { writeFileAtomic }, { thousands }, { fetchHumanGeneFiles }] = await Promise.all([
      import('../../data/genes/read-gene-table.js'),
      import('../../files.js'),
      import('../../data/inspect/format.js'),
      import('../human-genes.js'),
    ]);
    const files = from ?? (await fetchHumanGeneFiles({ progress, signal }));
    const table = await readGeneTable(files);
    await writeFileAtomic(out, table.toTsv());
    const numSymbols = table.genes.filter(({ symbol }) => symbol).length;
    const numEnsemblIds = table.genes.filter(({ ensemblId }) => ensemblId).length;
    const { numUsable, numAmbiguous } = table.countNames();
    return {
      json: {
        out,
        from: files,
        numGenes: table.genes.length,
        numSymbols,
        numEnsemblIds,
        numOtherNames: numUsable,
        numAmbiguousNames: numAmbiguous,
        hash: table.hash,
      },
      text: [
        `${out}: ${thousands(table.genes.length)} genes, ${thousands(numSymbols)} with a symbol, ${thousands(numEnsemblIds)} with an Ensembl id`,
        `${thousands(numUsable)} old symbols and aliases lead to one gene each; ${thousands(numAmbiguous)} belong to several and are not used`,
      ].join('\n'),
    };
  },
});
