// usage: node scripts/setup.mjs [--quiet] [--then quickstart|test [arguments…]]
//
// Takes a clone to the point where it works: packages, build, native TensorFlow; then goes on to what was asked for. It runs
// before anything is installed, so it and the files beside it use Node alone. What is in order already is left alone.
import { checkNode } from './node-version.mjs';
import { installPackages } from './packages.mjs';
import { buildSources } from './build.mjs';
import { runNode, SetupFailure } from './run.mjs';
import { runTests } from './tests.mjs';

const args = process.argv.slice(2);
const then = args.indexOf('--then');
const [goal, ...rest] = then === -1 ? [] : args.slice(then + 1);
const isQuiet = args.slice(0, then === -1 ? undefined : then).includes('--quiet');
const say = isQuiet ? () => {} : (line) => console.log(line);

try {
  checkNode();
  await installPackages(say);
  await buildSources(say);
  const env = await setUpTensorFlow();
  process.exitCode = await goOn(env);
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}

/** Where native TensorFlow cannot be had, says so once, and what follows takes WebAssembly without saying it again. */
async function setUpTensorFlow() {
  if (process.env.SCDIVA_BACKEND === 'wasm') return process.env;
  const { code, stdout } = await runNode(['bin/scdiva.js', 'setup', '--optional', '--json'], { captures: true });
  if (code !== 0) throw new SetupFailure('scdiva: setting up TensorFlow failed', code);
  const { backend, version, device, reason } = JSON.parse(stdout.trim().split('\n').at(-1));
  if (backend === 'native') {
    say(`TensorFlow ${version} is ready, on the ${device.toUpperCase()}`);
    return process.env;
  }
  console.error(`no native TensorFlow, going on with the slower WebAssembly backend: ${reason}`);
  return { ...process.env, SCDIVA_BACKEND: 'wasm' };
}

async function goOn(env) {
  switch (goal) {
    case undefined:
      say('all set: npx scdiva --help');
      return 0;
    case 'quickstart':
      return (await runNode(['bin/scdiva.js', 'quickstart', ...rest], { env })).code;
    case 'test':
      return runTests(rest, env);
    default:
      throw new SetupFailure(`scripts/setup.mjs: --then ${goal}: expected quickstart or test`, 2);
  }
}
