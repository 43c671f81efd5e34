// npm run -s bench -- ranking --corpus corpus/ --label cell_type [--json] [--genes 50,200,1200] [--neighbours 15]
//
// What the order of genes is worth before anything is trained: of every cell only the names of its L best-ranked genes are
// kept, and a test cell gets the class most of its nearest training cells have (cosine of the gene sets). One line for each
// serialisation and L; the entropy table is that of the training cells.
import { parseArgs } from 'node:util';
import { round } from './support/measure.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    corpus: { type: 'string' },
    label: { type: 'string' },
    genes: { type: 'string', default: '50,200,1200' },
    neighbours: { type: 'string', default: '15' },
  },
});
if (!flags.corpus || !flags.label) {
  console.error('usage: npm run bench -- ranking --corpus DIR --label KEY');
  process.exit(2);
}
const { openCorpus } = await import('../dist/data/corpus/corpus.js');
const { Serializer } = await import('../dist/data/loader/serialize.js');
const { Preprocessing } = await import('../dist/data/loader/config.js');
const { scoreLabels } = await import('../dist/metrics/classification.js');
const { Rng } = await import('../dist/rng.js');

const numNeighbours = Number(flags.neighbours);
const corpus = await openCorpus(flags.corpus);
const codes = corpus.labelCodes(flags.label);
const numClasses = corpus.labelNames(flags.label).length;
const labelled = (split) => corpus.splitRows(split).filter((row) => codes[row] >= 0);
const [train, test] = [labelled('train'), labelled('test')];

const lines = [];
for (const maxGenes of flags.genes.split(',').map(Number)) {
  for (const serialisation of ['entropy', 'expression', 'random']) {
    const serializer = new Serializer({ preprocessing: Preprocessing.parse({ maxGenes, serialisation }), scale: corpus.scale, entropy: corpus.entropy });
    const geneSet = (row) => {
      const target = { geneIds: new Int32Array(maxGenes), values: new Float32Array(maxGenes), offset: 0 };
      return target.geneIds.slice(0, serializer.serialize(corpus.readCell(row), target, undefined, Rng.fromSeed(row)));
    };
    const predicted = nearest(Array.from(train, geneSet), Array.from(test, geneSet));
    const { accuracy, macroF1 } = scoreLabels(
      test.map((row) => codes[row]),
      predicted,
      numClasses,
    );
    lines.push({
      bench: 'ranking',
      serialisation,
      genes: maxGenes,
      train_cells: train.length,
      test_cells: test.length,
      accuracy: round(accuracy, 3),
      macro_f1: round(macroF1, 3),
    });
  }
}
for (const line of lines)
  console.log(
    flags.json
      ? JSON.stringify(line)
      : `${String(line.genes).padStart(5)} genes  ${line.serialisation.padEnd(10)}  accuracy ${line.accuracy.toFixed(3)}  macro-F1 ${line.macro_f1.toFixed(3)}`,
  );

/** Class of each query by the vote of its nearest training sets; an inverted index counts the shared genes. */
function nearest(known, queries) {
  const cellsOfGene = new Map();
  known.forEach((genes, cell) => genes.forEach((gene) => (cellsOfGene.get(gene) ?? cellsOfGene.set(gene, []).get(gene)).push(cell)));
  const shared = new Int32Array(known.length);
  return Int32Array.from(queries, (genes) => {
    shared.fill(0);
    for (const gene of genes) for (const cell of cellsOfGene.get(gene) ?? []) shared[cell]++;
    const nearestCells = [];
    const cosines = [];
    for (let cell = 0; cell < known.length; cell++) {
      const cosine = shared[cell] / Math.sqrt(known[cell].length);
      if (nearestCells.length === numNeighbours && cosine <= cosines[numNeighbours - 1]) continue;
      let at = Math.min(nearestCells.length, numNeighbours - 1);
      for (; at > 0 && cosines[at - 1] < cosine; at--) {
        cosines[at] = cosines[at - 1];
        nearestCells[at] = nearestCells[at - 1];
      }
      cosines[at] = cosine;
      nearestCells[at] = cell;
    }
    const votes = new Float64Array(numClasses);
    for (const cell of nearestCells) votes[codes[train[cell]]]++;
    return votes.indexOf(Math.max(...votes));
  });
}
