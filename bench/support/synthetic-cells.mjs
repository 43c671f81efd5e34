// A seeded synthetic file of counts, cells in compressed sparse rows, the size and shape of real ones: gene g has a log-normal
// base level, a cell type multiplies a tenth of the genes by a log-normal fold, the library is log-normal around 5,000 counts.
// That gives, of 20,000 genes, about 1,600 genes a cell, 64 % of the values 1.
import { loadHdf5 } from '../../dist/data/readers/hdf5-library.js';

const NUM_TYPES = 20;
const SIGMA_BASE = 2.6;
const SIGMA_FOLD = 1.5;
const SIGMA_LIBRARY = 0.5;

/** @returns {Promise<{numCells: number, numGenes: number, numValues: number}>} */
export async function writeSyntheticCells(path, { numCells = 20_000, numGenes = 20_000, medianLibrary = 5000, seed = 1 } = {}) {
  const random = mulberry(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const base = Float64Array.from({ length: numGenes }, () => SIGMA_BASE * normal());
  const samplers = Array.from({ length: NUM_TYPES }, () => aliasTable(base.map((level) => Math.exp(level + (random() < 0.1 ? SIGMA_FOLD * normal() : 0)))));
  const counts = new Uint16Array(numGenes);
  const indptr = new Int32Array(numCells + 1);
  let indices = new Int32Array(numCells * 1700);
  let data = new Float32Array(numCells * 1700);
  let n = 0;
  for (let cell = 0; cell < numCells; cell++) {
    const { threshold, alias } = samplers[Math.floor((cell * NUM_TYPES) / numCells)]; // grouped by type, as files often are
    const library = Math.max(200, Math.round(medianLibrary * Math.exp(SIGMA_LIBRARY * normal())));
    for (let i = 0; i < library; i++) {
      const at = random() * numGenes;
      const slot = Math.floor(at);
      counts[at - slot < threshold[slot] ? slot : alias[slot]]++;
    }
    if (n + numGenes > data.length) {
      indices = grown(indices);
      data = grown(data);
    }
    for (let g = 0; g < numGenes; g++) {
      if (counts[g] === 0) continue;
      indices[n] = g;
      data[n++] = counts[g];
    }
    counts.fill(0);
    indptr[cell + 1] = n;
  }
  await write(path, { numCells, numGenes, indptr, indices: indices.subarray(0, n), data: data.subarray(0, n) });
  return { numCells, numGenes, numValues: n };
}

const grown = (array) => {
  const larger = new array.constructor(Math.ceil(array.length * 1.3) + 65_536);
  larger.set(array);
  return larger;
};

/** Walker's alias method: one uniform number a draw. */
function aliasTable(weights) {
  const n = weights.length;
  const sum = weights.reduce((a, b) => a + b, 0);
  const threshold = weights.map((weight) => (weight * n) / sum);
  const alias = new Int32Array(n);
  const small = [];
  const large = [];
  threshold.forEach((share, i) => (share < 1 ? small : large).push(i));
  while (small.length > 0 && large.length > 0) {
    const [s, l] = [small.pop(), large[large.length - 1]];
    alias[s] = l;
    threshold[l] -= 1 - threshold[s];
    if (threshold[l] < 1) small.push(large.pop());
  }
  for (const i of [...small, ...large]) threshold[i] = 1;
  return { threshold, alias };
}

/** 32-bit state, 53 random bits are not needed here; fast, seeded. */
function mulberry(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

async function write(path, { numCells, numGenes, indptr, indices, data }) {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  const encode = (object, type, version) => {
    object.create_attribute('encoding-type', type);
    object.create_attribute('encoding-version', version);
  };
  const strings = (parent, name, values) => encode(parent.create_dataset({ name, data: values, shape: [values.length], dtype: 'S' }), 'string-array', '0.2.0');
  const frame = (name, index, columns) => {
    const group = file.create_group(name);
    encode(group, 'dataframe', '0.2.0');
    group.create_attribute('_index', '_index');
    group.create_attribute('column-order', columns.length > 0 ? columns : new Float64Array(0));
    strings(group, '_index', index);
    return group;
  };
  const root = file.get('/');
  encode(root, 'anndata', '0.1.0');
  const x = file.create_group('X');
  encode(x, 'csr_matrix', '0.1.0');
  x.create_attribute('shape', BigInt64Array.of(BigInt(numCells), BigInt(numGenes)));
  x.create_dataset({ name: 'data', data });
  x.create_dataset({ name: 'indices', data: indices });
  x.create_dataset({ name: 'indptr', data: indptr });
  const obs = frame(
    'obs',
    Array.from({ length: numCells }, (_, i) => `cell${i}`),
    ['cell_type'],
  );
  const types = obs.create_group('cell_type');
  encode(types, 'categorical', '0.2.0');
  types.create_attribute('ordered', 0, null, '<b');
  strings(
    types,
    'categories',
    Array.from({ length: NUM_TYPES }, (_, t) => `type${String(t).padStart(2, '0')}`),
  );
  encode(
    types.create_dataset({ name: 'codes', data: Int8Array.from({ length: numCells }, (_, cell) => Math.floor((cell * NUM_TYPES) / numCells)) }),
    'array',
    '0.2.0',
  );
  frame(
    'var',
    Array.from({ length: numGenes }, (_, g) => `GENE${g}`),
    [],
  );
  file.close();
}
