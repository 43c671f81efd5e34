import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { IntegrationConfig } from '../../../src/tasks/integration/config.js';

const data = { corpus: 'c', batchKey: 'donor' };

describe('the config of integration', () => {
  it('follows the published protocol where a file is silent', () => {
    const { train, contrastive, adversary } = parseConfig(IntegrationConfig, { data: { ...data, labelKey: 'cell_type' }, checkpoint: 'p' });
    expect(train).toMatchObject({
      epochs: 50,
      batchSize: 256,
      evaluateEvery: 'epoch',
      optimizer: { lr: 1e-4 },
      earlyStopping: { metric: 'avgBio', mode: 'max', patience: 10 },
    });
    expect(contrastive).toMatchObject({ kind: 'labels' });
    expect(adversary).toMatchObject({ weight: 1, steepness: 10 });
  });

  it('contrasts by clusters where there are no labels, and refuses labels that are not there', () => {
    expect(parseConfig(IntegrationConfig, { data, checkpoint: 'p' }).contrastive.kind).toBe('clusters');
    expect(
      parseConfig(IntegrationConfig, { data: { ...data, labelKey: 'cell_type' }, checkpoint: 'p', contrastive: { kind: 'clusters' } }).contrastive.kind,
    ).toBe('clusters');
    expect(() => parseConfig(IntegrationConfig, { data, checkpoint: 'p', contrastive: { kind: 'labels' } })).toThrow(
      /contrastive\.kind.*labels needs data\.labelKey/,
    );
  });
});
