import { defineVerb } from '../verb.js';
import { STOPPING_A_TRAINING } from './training-options.js';

export const quickstart = defineVerb({
  command: 'quickstart',
  describe: 'from cells to a trained, annotated, reported model in minutes: on example cells, or on yours',
  stopping: STOPPING_A_TRAINING,
  options: (y) =>
    y
      .option('data', { type: 'string', requiresArg: true, describe: '.h5ad or 10x .h5 with labelled cells [700 blood cells, downloaded]' })
      .option('label', { type: 'string', requiresArg: true, describe: 'obs column with the cell types' })
      .option('out', {
        type: 'string',
        requiresArg: true,
        default: 'runs/quickstart',
        describe: 'folder for everything it makes; a second run reuses what is there',
      })
      .option('seed', { type: 'number', default: 0, describe: 'of the split and of every training' })
      .option('min-class-cells', { type: 'number', default: 1, describe: 'cells of smaller classes are used without their label' })
      .option('unlabelled', {
        type: 'string',
        array: true,
        requiresArg: true,
        default: [],
        describe: 'class that is none, such as unknown: its cells are used without a label; repeatable',
      })
      .option('configs', {
        type: 'string',
        requiresArg: true,
        describe: 'folder with a pretrain.yaml and an annotation.yaml of your own: sizes, steps, rates [configs/quickstart]',
      })
      .option('backend', { choices: ['auto', 'native', 'wasm'] as const, describe: 'what computes [SCDIVA_BACKEND, else auto]' })
      .example('$0 quickstart', 'the example cells')
      .example('$0 quickstart --data my.h5ad --label cell_type --out runs/mine', 'your own'),
  async run({ data, label, configs, out, seed, minClassCells, unlabelled, backend: choice }, context) {
    const [{ ConfigError }, { loadTensorFlow }, { runQuickstart }, { packageVersion }] = await Promise.all([
      import('../../errors.js'),
      import('../../runtime/native/load.js'),
      import('../quickstart/quickstart.js'),
      import('../package-version.js'),
    ]);
    if (!Number.isSafeInteger(seed) || seed < 0) throw new ConfigError({ key: '--seed', found: String(seed), expected: 'a whole number from 0' });
    if (!Number.isInteger(minClassCells) || minClassCells < 1)
      throw new ConfigError({ key: '--min-class-cells', found: String(minClassCells), expected: 'a whole number above 0' });
    const notice = (line: string): void => void process.stderr.write(`scdiva: ${line}\n`);
    const backend = await loadTensorFlow({ notice, ...(choice && { backend: choice }) });
    const command = [
      'scdiva quickstart',
      data && `--data ${quoted(data)}`,
      label && `--label ${quoted(label)}`,
      `--out ${quoted(out)}`,
      `--seed ${seed}`,
      minClassCells > 1 && `--min-class-cells ${minClassCells}`,
      ...unlabelled.map((name) => `--unlabelled ${quoted(name)}`),
      configs && `--configs ${quoted(configs)}`,
    ]
      .filter(Boolean)
      .join(' ');
    const result = await runQuickstart(
      { cells: { data, label, minClassCells, unlabelled }, configs, out, seed, backend, version: packageVersion(), command },
      context,
    );
    const { describeQuickstart } = await import('../quickstart/describe.js');
    return { json: { ...result }, text: describeQuickstart(result) };
  },
});

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
