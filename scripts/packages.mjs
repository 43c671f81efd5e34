import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, runNode, SetupFailure } from './run.mjs';

/** `npm ci`, lifecycle scripts off, unless node_modules holds what package-lock.json names. */
export async function installPackages(say) {
  const flaw = firstDifference();
  if (flaw === null) return;
  // A linked folder belongs to another checkout: npm ci would empty it under that one's feet.
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    console.error(`node_modules is a link and is left alone, although it differs from package-lock.json: ${flaw}`);
    return;
  }
  say(`installing packages: ${flaw}`);
  const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  // npm tells its children where it is; a script started without npm finds it on the PATH.
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? process.env.npm_execpath : null;
  const { code } = npm ? await runNode([npm, ...args], { captures: true }) : await run('npm', args, { captures: true });
  if (code !== 0) throw new SetupFailure('scdiva: npm ci failed (see above; without a network it needs a filled npm cache)', 1);
}

/** What npm noted of its last install against the lock file: the first package that is missing or of another version, or null. */
function firstDifference() {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return 'there are none yet';
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  for (const [path, { version, optional, devOptional }] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = installed[path]?.version;
    if (found === version) continue;
    if (found === undefined && (optional || devOptional)) continue; // for another platform
    return `${path.replace('node_modules/', '')} is ${found ?? 'missing'}, package-lock.json names ${version}`;
  }
  return null;
}
