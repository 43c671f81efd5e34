import { readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config/load.js';
import { SimulationConfig } from '../src/data/simulate/config.js';
import { AnnotationConfig } from '../src/tasks/annotation/config.js';
import { IntegrationConfig } from '../src/tasks/integration/config.js';
import { MultimodalConfig } from '../src/tasks/multimodal/config.js';
import { MultitaskConfig } from '../src/tasks/multitask/config.js';
import { PerturbationConfig } from '../src/tasks/perturbation/config.js';
import { PretrainingConfig } from '../src/tasks/pretraining/config.js';
import { VariationalConfig } from '../src/tasks/variational/config.js';

const folder = resolve(import.meta.dirname, '../configs');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));

/** A config file is named for what it runs. */
const schemas = {
  pretrain: PretrainingConfig,
  annotation: AnnotationConfig,
  integration: IntegrationConfig,
  perturbation: PerturbationConfig,
  multitask: MultitaskConfig,
  multimodal: MultimodalConfig,
  variational: VariationalConfig,
  simulate: SimulationConfig,
};

describe('the config files', () => {
  it('are there', () => expect(files.length).toBeGreaterThan(3));

  it.each(files)('%s parses', async (name) => {
    const [task] = basename(name, '.yaml').split('-');
    const schema = schemas[task as keyof typeof schemas];
    expect(schema, `no schema for ${name}: name it after its task or add the task here`).toBeDefined();
    await expect(loadConfig<typeof schema>(schema, join(folder, name))).resolves.toMatchObject(
      task === 'simulate' ? { numGenes: expect.any(Number) } : { train: expect.any(Object) },
    );
  });
});
