import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import yargs from 'yargs';
import { CELL_FLAGS, readingOf } from '../../src/cli/cell-flags.js';
import { annotate } from '../../src/cli/verbs/annotate.js';
import { embed } from '../../src/cli/verbs/embed.js';
import { evaluateAnnotation } from '../../src/cli/verbs/evaluate-annotation.js';
import { evaluateIntegration } from '../../src/cli/verbs/evaluate-integration.js';
import { evaluateReconstruction } from '../../src/cli/verbs/evaluate-reconstruction.js';
import { generate } from '../../src/cli/verbs/generate.js';
import { grn } from '../../src/cli/verbs/grn.js';
import { integrate } from '../../src/cli/verbs/integrate.js';
import { perturb } from '../../src/cli/verbs/perturb.js';
import { proteins } from '../../src/cli/verbs/proteins.js';
import { referenceBuild } from '../../src/cli/verbs/reference-build.js';
import { referenceMap } from '../../src/cli/verbs/reference-map.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-flags-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('flags for reading cells', () => {
  it('are those of every verb that shows a file to a model', async () => {
    for (const verb of [
      annotate,
      embed,
      evaluateAnnotation,
      evaluateIntegration,
      evaluateReconstruction,
      generate,
      grn,
      integrate,
      perturb,
      proteins,
      referenceBuild,
      referenceMap,
    ]) {
      const help = await (verb.builder as (y: unknown) => ReturnType<typeof yargs>)(yargs([])).getHelp();
      for (const flag of Object.keys(CELL_FLAGS)) expect(help, String(verb.command)).toContain(`--${flag}`);
    }
  });

  it('become reading options, the table of orthologs read', async () => {
    const table = join(folder, 'human2mouse.csv');
    writeFileSync(table, 'human,mouse\nCD3E,Cd3e\n');
    const { orthologs, ...others } = await readingOf({ matrix: 'raw/X', valueKind: 'log1p', orthologs: table });
    expect(others).toEqual({ matrix: 'raw/X', valueKind: 'log1p' });
    expect(orthologs).toBeDefined();
    await expect(readingOf({ orthologs: join(folder, 'none.csv') })).rejects.toThrow(/none\.csv/);
  });
});
