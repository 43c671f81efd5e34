import { ConfigError } from '../../errors.js';
import type { Members } from './members.js';

/** Where workers listen unless SCDIVA_PORT or reserved ports (srun --resv-ports) say otherwise; a job takes one of so many places, so that two on a node seldom meet. */
const FIRST_PORT = 23_000;
const NUM_PLACES = 600;
const PORTS_A_PLACE = 16;

/**
 * The members by the variables of a Slurm step (`srun scdiva pretrain …`): ranks as Slurm numbers its tasks, node by node or in turn.
 * @returns undefined outside a step of several tasks, as in the batch script itself
 * @throws ConfigError naming the variable that is wrong
 */
export function membersFromSlurm(env: NodeJS.ProcessEnv): Members | undefined {
  const numTasks = Number(env['SLURM_STEP_NUM_TASKS'] ?? 0);
  if (!(numTasks > 1)) return undefined;
  const read = (name: string, ...others: string[]): string => {
    const value = [name, ...others].map((key) => env[key]).find((text) => text);
    if (value === undefined) throw new ConfigError({ key: name, found: 'not set in this Slurm step', hint: 'start it with srun' });
    return value;
  };
  const rank = Number(read('SLURM_PROCID'));
  const nodes = expandNodeList(read('SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST'));
  const counts = expandCounts(read('SLURM_STEP_TASKS_PER_NODE', 'SLURM_TASKS_PER_NODE'));
  if (counts.length !== nodes.length)
    throw new ConfigError({ key: 'SLURM_STEP_TASKS_PER_NODE', found: `${counts.length} nodes`, expected: `the ${nodes.length} of SLURM_STEP_NODELIST` });
  const distribution = (env['SLURM_DISTRIBUTION'] ?? 'block').split(/[:,]/)[0]!.toLowerCase();
  const places = distribution === 'cyclic' ? inTurn(counts) : nodeByNode(counts);
  if (places.length !== numTasks || !(rank >= 0 && rank < numTasks))
    throw new ConfigError({ key: 'SLURM_PROCID', found: `task ${rank}, and ${places.length} places on the nodes`, expected: `one of ${numTasks} tasks` });
  const own = places[rank]!;
  const isWhereExpected = [
    ['SLURM_NODEID', own.node],
    ['SLURM_LOCALID', own.local],
  ].every(([name, value]) => env[name!] === undefined || Number(env[name!]) === value);
  if (!isWhereExpected)
    throw new ConfigError({
      key: 'SLURM_DISTRIBUTION',
      found: `${distribution}, by which task ${rank} would stand elsewhere`,
      hint: 'start the step with srun --distribution=block',
    });
  const first = firstPort(env);
  return { addresses: places.map(({ node, local }) => `${nodes[node]}:${first + local}`), rank, source: 'Slurm' };
}

function firstPort(env: NodeJS.ProcessEnv): number {
  if (env['SCDIVA_PORT']) {
    const port = Number(env['SCDIVA_PORT']);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
    throw new ConfigError({ key: 'SCDIVA_PORT', found: env['SCDIVA_PORT'], expected: 'a port: the first of as many as a node has tasks' });
  }
  const reserved = /^(\d+)/.exec(env['SLURM_STEP_RESV_PORTS'] ?? '');
  if (reserved) return Number(reserved[1]);
  const job = Number(env['SLURM_JOB_ID'] ?? 0) + Number(env['SLURM_STEP_ID'] ?? 0);
  return FIRST_PORT + PORTS_A_PLACE * ((Number.isFinite(job) ? job : 0) % NUM_PLACES);
}

interface Place {
  readonly node: number;
  /** Which of the node's tasks. */
  readonly local: number;
}

const nodeByNode = (counts: readonly number[]): Place[] => counts.flatMap((count, node) => Array.from({ length: count }, (_, local) => ({ node, local })));

const inTurn = (counts: readonly number[]): Place[] =>
  Array.from({ length: Math.max(...counts) }, (_, local) => counts.flatMap((count, node) => (local < count ? [{ node, local }] : []))).flat();

/** `2(x3),1` → 2, 2, 2, 1 */
export function expandCounts(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const match = /^(\d+)(?:\(x(\d+)\))?$/.exec(part.trim());
    if (!match) throw new ConfigError({ key: 'SLURM_STEP_TASKS_PER_NODE', found: text, expected: 'numbers such as 2(x3),1' });
    return Array.from({ length: Number(match[2] ?? 1) }, () => Number(match[1]));
  });
}

/** `gpu[01-03,7],login` → gpu01, gpu02, gpu03, gpu7, login; several brackets in a name multiply. */
export function expandNodeList(text: string): string[] {
  const wrong = (): ConfigError => new ConfigError({ key: 'SLURM_STEP_NODELIST', found: text, expected: 'host names such as gpu[01-03,7],login' });
  const names: string[] = [];
  // Commas inside brackets separate numbers, those outside separate names.
  for (const part of text.split(/,(?![^[]*\])/)) {
    const pieces = part.split(/(\[[^\]]*\])/).filter((piece) => piece !== '');
    if (pieces.length === 0 || pieces.some((piece) => !/^(\[[\d,-]+\]|[^[\],\s]+)$/.test(piece))) throw wrong();
    const choices = pieces.map((piece) =>
      piece.startsWith('[')
        ? piece
            .slice(1, -1)
            .split(',')
            .flatMap((range) => expandRange(range, wrong))
        : [piece],
    );
    names.push(...choices.reduce((before, after) => before.flatMap((start) => after.map((end) => start + end)), ['']));
  }
  return names;
}

/** `08-11` → 08, 09, 10, 11: as many digits as the range was written with. */
function expandRange(range: string, wrong: () => ConfigError): string[] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(range);
  if (!match) throw wrong();
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
  if (to < from) throw wrong();
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padStart(match[1]!.length, '0'));
}
