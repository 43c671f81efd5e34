import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { AnnotationConfig } from '../../../src/tasks/annotation/config.js';

const needed = { data: { corpus: 'corpus', labelKey: 'cell_type' }, checkpoint: 'pretrain' };

describe('the annotation config', () => {
  it('follows the published protocol where a file says nothing', () => {
    const { tune, train } = parseConfig(AnnotationConfig, needed);
    expect(tune).toEqual({ kind: 'lastLayers', numLayers: 4 });
    expect(train).toMatchObject({
      epochs: 30,
      batchSize: 256,
      evaluateEvery: 'epoch',
      optimizer: { lr: 5e-5, weightDecay: 0.01 },
      earlyStopping: { metric: 'macroF1', mode: 'max', patience: 10 },
    });
    expect(parseConfig(AnnotationConfig, { ...needed, tune: { kind: 'head' } }).train.epochs).toBe(80);
  });

  it('keeps what a file does say, beside the rest of the protocol', () => {
    const { train } = parseConfig(AnnotationConfig, { ...needed, train: { steps: 7, optimizer: { weightDecay: 0 }, earlyStopping: { patience: 3 } } });
    expect(train).toMatchObject({ steps: 7, batchSize: 256, optimizer: { lr: 5e-5, weightDecay: 0 }, earlyStopping: { metric: 'macroF1', patience: 3 } });
    expect(train.epochs).toBeUndefined();
  });

  it('starts from the pretrained weights unless told otherwise', () => {
    expect(parseConfig(AnnotationConfig, needed)).toMatchObject({ task: 'annotation', start: 'pretrained' });
    expect(() => parseConfig(AnnotationConfig, { ...needed, start: 'random' })).toThrow(/start/);
  });

  it('names the key that is wrong or missing', () => {
    const refusal = (raw: object) => expect(() => parseConfig(AnnotationConfig, raw, 'a.yaml'));
    refusal({ ...needed, checkpoint: undefined }).toThrow(/a\.yaml: checkpoint: missing/);
    refusal({ ...needed, tune: { kind: 'middle' } }).toThrow(/tune\.kind/);
    refusal({ ...needed, train: { optimiser: {} } }).toThrow(/train\.optimiser: no such key/);
    refusal({ ...needed, tune: { kind: 'head' }, depth: { kind: 'scale' } }).toThrow(/depth.*computed once/);
  });
});
