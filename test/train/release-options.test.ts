import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import type { ReleaseOptions } from '../../src/train/release-options.js';
import { smallCorpus } from '../support/small-corpus.js';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const NUM_GENES = 32;
const symbols = Array.from({ length: NUM_GENES }, (_, i) => `GENE${i}`);

let folder: string;
let release: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scdiva-release-'));
  release = join(folder, 'release');
  await cp(join(fixtures, 'parity-small/config.json'), join(release, 'config.json'));
  await cp(join(fixtures, 'pytorch/nested.pt'), join(release, 'model.pt'));
});
afterEach(() => rm(folder, { recursive: true }));

async function genesFile(content: unknown): Promise<string> {
  const path = join(folder, 'genes');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}
const load = async (options: ReleaseOptions) => loadCheckpoint(release, options);

describe('weights of others', () => {
  it('ask in one line for what their folder does not tell, one thing after the other', async () => {
    const genes = await genesFile(symbols.join('\n'));
    await expect(load({})).rejects.toThrow(
      /release\/genes\.tsv: no such file \(put the ordered gene list of these weights there, or name it with genes \(scdiva import/,
    );
    await expect(load({ genes })).rejects.toThrow(/entropy\.tsv: no such file \(name an entropy\.tsv, a corpus or none with entropy/);
    await expect(load({ genes, entropy: 'none' })).rejects.toThrow(/preprocessing\.json: no such file \(say to which sum cells were scaled with targetSum/);
    await expect(load({ genes, entropy: 'none', targetSum: 0 })).rejects.toThrow(/targetSum: 0 \(expected a number above 0\)/);
    const { preprocessing, entropy, vocabulary } = await load({ genes, entropy: 'none', targetSum: 1e4 });
    expect(preprocessing).toMatchObject({ targetSum: 1e4, maxGenes: 9, serialisation: 'expression' });
    expect(new Set(entropy)).toEqual(new Set([1]));
    expect(vocabulary.genes.map(({ symbol }) => symbol)).toEqual(symbols);
  });

  const special = ['<pad>', '<mask>', ...symbols, '<fill>', '<bos>', '<eos>'];
  it.each<[string, unknown]>([
    ['a text of one gene a line', `${symbols.join('\n')}\n`],
    ['a text of every id', special.join('\r\n')],
    ['a JSON list', symbols],
    ['a JSON object of ids', Object.fromEntries(special.map((name, id) => [name, id]).reverse())],
    ['our own genes.tsv', `id\tsymbol\tensembl_id\n${symbols.map((name, i) => `${i + 2}\t${name}\t\n`).join('')}`],
  ])('take their genes from %s', async (_, content) => {
    const { vocabulary } = await load({ genes: await genesFile(content), entropy: 'none', targetSum: 1e4 });
    expect(vocabulary.genes.map(({ symbol }) => symbol)).toEqual(symbols);
  });

  it.each<[string, unknown, RegExp]>([
    ['too few', symbols.slice(1), /31 genes \(expected 32, or 37 with the special ids\)/],
    ['a hole', Object.fromEntries(symbols.map((name, i) => [name, i + 3])), /id 2: no gene/],
    ['one id twice', { A: 2, B: 2 }, /B: id 2, which A has/],
    ['an id of another model', { A: 41817 }, /A: 41817 \(expected an id from 0 to 36\)/],
    ['no names', symbols.map((_, i) => i), /entry 1: 0 \(expected the name of a gene\)/],
    ['empty lines', symbols.map((name, i) => (i === 4 ? '' : name)).join('\n'), /gene 5: ""/],
    ['our own table of other genes', 'id\tsymbol\tensembl_id\n2\tA\t\n', /1 genes \(expected 32 by VOCAB_SIZE/],
  ])('refuse genes with %s', async (_, content, message) => {
    await expect(load({ genes: await genesFile(content) })).rejects.toThrow(message);
  });

  it('take the entropy table of a corpus of the same genes, and refuse another’s', async () => {
    const rows = [symbols.map((_, i) => i + 1), symbols.map((_, i) => (i % 2 ? 5 : 0))];
    const corpus = await smallCorpus(folder, { x: { rows, encoding: 'csr' }, cellIds: ['a', 'b'], geneNames: symbols, obs: {} });
    const { entropy } = await load({ genes: await genesFile(symbols), entropy: corpus.path, targetSum: 1e4 });
    expect(entropy).toEqual(corpus.entropy);
    await expect(load({ genes: await genesFile([...symbols].reverse()), entropy: corpus.path, targetSum: 1e4 })).rejects.toThrow(
      /genes\.arrow: other genes, or another order/,
    );
  });

  it('have nothing to be told where the folder tells it', async () => {
    await writeFile(join(release, 'genes.tsv'), (await load({ genes: await genesFile(symbols), entropy: 'none', targetSum: 1 })).vocabulary.toTsv());
    await expect(load({ genes: '/nowhere', entropy: 'none', targetSum: 1 })).resolves.toBeDefined();
    expect(await readFile(join(release, 'genes.tsv'), 'utf8')).toContain('GENE31');
  });
});
