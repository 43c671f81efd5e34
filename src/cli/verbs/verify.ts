import { defineVerb } from '../verb.js';

export const verify = defineVerb({
  command: 'verify <dir>',
  describe: 'compare a checkpoint’s outputs, losses and gradients with those another implementation stored beside it',
  options: (y) =>
    y
      .positional('dir', { type: 'string', demandOption: true, describe: 'folder with config.json, model.safetensors and expected.safetensors' })
      .option('tolerance', {
        type: 'number',
        default: 1e-5,
        describe: 'for outputs and losses: largest difference over the tensor’s largest value (at least 1)',
      })
      .option('grad-tolerance', { type: 'number', default: 1e-4, describe: 'for gradients: largest difference over the tensor’s largest value' })
      .option('executor', { choices: ['auto', 'eager', 'graph'] as const, default: 'auto' as const, describe: 'how to compute: compiled graph, or op by op' }),
  run: async ({ dir, tolerance, gradTolerance, executor: kind }, { progress, say }) => {
    const { ConfigError } = await import('../../errors.js');
    for (const [key, value] of Object.entries({ '--tolerance': tolerance, '--grad-tolerance': gradTolerance }))
      if (!(value > 0)) throw new ConfigError({ key, found: `found ${value}`, expected: 'a number above 0' });
    const [{ verifyCheckpoint }, { loadTensorFlow }, { createExecutor }] = await Promise.all([
      import('../../inference/verify.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
    ]);
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind });
    const { ok, deviations } = await verifyCheckpoint(dir, executor, { tolerance, gradientTolerance: gradTolerance, progress });
    executor.dispose();
    const width = Math.max(...deviations.map(({ name }) => name.length));
    const lines = deviations.map(
      ({ name, deviation, limit }) => `${name.padEnd(width)}  ${deviation.toExponential(2)}${deviation <= limit ? '' : `  over ${limit}`}`,
    );
    const numOver = deviations.filter(({ deviation, limit }) => deviation > limit).length;
    lines.push(ok ? `${deviations.length} tensors agree` : `${numOver} of ${deviations.length} tensors deviate`);
    return {
      json: {
        ok,
        executor: executor.kind,
        tolerance,
        gradTolerance,
        maxDeviation: Object.fromEntries(deviations.map(({ name, deviation }) => [name, deviation])),
      },
      text: lines.join('\n'),
      exitCode: ok ? 0 : 1,
    };
  },
});
