import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, SetupFailure } from './run.mjs';

/** Refuses a Node that `engines.node` (`^20.19.0 || ^22.12.0 || >=24`) does not name. */
export function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [major, minor] = process.versions.node.split('.').map(Number);
  const isNamed = engines.node.split('||').some((part) => {
    const [, sign, wantMajor, wantMinor = '0'] = /^\s*(\^|>=)\s*(\d+)(?:\.(\d+))?/.exec(part);
    return (major === Number(wantMajor) && minor >= Number(wantMinor)) || (sign === '>=' && major > Number(wantMajor));
  });
  if (!isNamed) throw new SetupFailure(`scdiva: Node ${process.versions.node} is not supported (install Node ${engines.node})`, 2);
}
