import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../src/data/genes/vocabulary.js';
import { CheckpointError } from '../../src/errors.js';
import { isGeneId } from '../../src/model/gene-ids.js';
import { MODEL_PRESETS } from '../../src/model/presets.js';
import { fromReleaseKeys, readReleaseConfig, toReleaseKeys, type ReleaseKeys } from '../../src/model/release-config.js';

const vocabulary = new Vocabulary(Array.from({ length: 41_813 }, (_, i) => ({ symbol: `G${i}`, ensemblId: '' })));
const released = toReleaseKeys(MODEL_PRESETS['ScDiVa'], vocabulary);

describe('a checkpoint’s config.json', () => {
  it('holds the released values for the released size', () => {
    expect(released).toEqual({
      SCGPT_DIM: 512,
      HIDDEN_DIM: 512,
      N_LAYERS: 12,
      N_HEADS: 8,
      DROPOUT: 0.1,
      D_HID: 2048,
      VOCAB_SIZE: 41_818,
      PAD_TOKEN_ID: 0,
      MASK_TOKEN_ID: 1,
      PAD_FILL_GENE_ID: 41_815,
      BOS_GENE_ID: 41_816,
      EOS_GENE_ID: 41_817,
      MAX_GENE_LEN: 1200,
      ROPE_THETA: 10_000,
      ROPE_MAX_LEN: 1201,
    });
  });

  it('becomes the config and the ids it was made from, keys of others beside them ignored', () => {
    const { config, ids } = fromReleaseKeys({ ...released, architectures: ['ScDiVa'] }, 'config.json');
    expect(config).toEqual(MODEL_PRESETS['ScDiVa']);
    const { size, padId, maskId, padFillId, bosId, eosId } = vocabulary;
    expect(ids).toEqual({ size, padId, maskId, padFillId, bosId, eosId });
  });

  it('keeps the ablations of a model, in keys that a model without them does not have', () => {
    const ablated = { ...MODEL_PRESETS['ScDiVa'], positions: 'none' as const, genesSeeLatent: false, cellState: 'genes' as const };
    const keys = toReleaseKeys(ablated, vocabulary);
    expect(keys).toEqual({ ...released, POSITIONS: 'none', GENES_SEE_LATENT: false, CELL_STATE: 'genes' });
    expect(fromReleaseKeys(keys, 'c.json').config).toEqual(ablated);
    expect(() => fromReleaseKeys({ ...keys, POSITIONS: 'sinusoidal' }, 'c.json')).toThrow(/POSITIONS/);
  });

  const wrong: [what: string, change: Partial<Record<keyof ReleaseKeys, unknown>>, message: RegExp][] = [
    ['a missing key', { N_LAYERS: undefined }, /^c.json: N_LAYERS: missing/],
    ['text for a number', { D_HID: '2048' }, /^c.json: D_HID: found "2048" \(expected number\)/],
    ['a number out of range', { DROPOUT: 1 }, /^c.json: DROPOUT: found 1 \(expected number to be <1\)/],
    ['embeddings of another width', { SCGPT_DIM: 256 }, /^c.json: SCGPT_DIM: found 256 \(expected HIDDEN_DIM, 512/],
    ['too few rotary positions', { ROPE_MAX_LEN: 1200 }, /ROPE_MAX_LEN: found 1200 \(expected at least MAX_GENE_LEN \+ 1, 1201/],
    ['an id beyond the vocabulary', { EOS_GENE_ID: 41_818 }, /EOS_GENE_ID: found 41818 \(expected less than VOCAB_SIZE/],
    ['one id for two purposes', { PAD_FILL_GENE_ID: 0 }, /PAD_FILL_GENE_ID: found 0 \(expected another id than PAD_TOKEN_ID/],
    ['heads that do not divide the width', { N_HEADS: 7 }, /N_HEADS: found 7 \(expected a divisor of HIDDEN_DIM, 512/],
    ['heads of odd width', { N_HEADS: 512 }, /N_HEADS: found 512 \(expected HIDDEN_DIM \/ N_HEADS even/],
  ];
  it.each(wrong)('with %s is refused in one line', (_, change, message) => {
    const act = () => fromReleaseKeys({ ...released, ...change }, 'c.json');
    expect(act).toThrow(CheckpointError);
    expect(act).toThrow(message);
  });

  it('that is not there or not JSON is refused', async () => {
    await expect(readReleaseConfig('/nowhere/config.json')).rejects.toThrow(/nowhere\/config.json: no such file \(name a checkpoint folder\)/);
    await expect(readReleaseConfig(new URL(import.meta.url).pathname)).rejects.toThrow(/not JSON/);
    expect(() => fromReleaseKeys(null, 'c.json')).toThrow(/^c.json: found null/);
  });
});

describe('isGeneId', () => {
  it('is true for genes alone', () => {
    const ids = new Vocabulary([
      { symbol: 'A', ensemblId: '' },
      { symbol: 'B', ensemblId: '' },
    ]);
    expect([-1, 0, 1, 2, 3, 4, 5, 6, 7].filter((id) => isGeneId(id, ids))).toEqual([2, 3]);
  });
});
