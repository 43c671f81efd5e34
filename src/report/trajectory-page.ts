import { standaloneSvg } from './figures/corpus-figure.js';
import { drawTrajectory, type TrajectoryMap } from './figures/trajectory-map.js';
import { html } from './html.js';
import { formatCount, formatScore } from './numbers.js';
import { figure, table } from './sections/section.js';
import { renderSheet } from './sheet.js';
import { LIGHT_COLOURS } from './style.js';

export interface TrajectorySheet {
  readonly title: string;
  readonly subtitle: string;
  readonly map: TrajectoryMap;
  /** One a group, in the order of their mean pseudotime. */
  readonly groups: readonly { readonly name: string; readonly numCells: number; readonly meanTime: number; readonly spread: number }[];
  readonly notes: readonly string[];
}

export async function trajectorySvg(map: TrajectoryMap): Promise<string> {
  return `${standaloneSvg(await drawTrajectory(map, 'trajectory'), LIGHT_COLOURS)}\n`;
}

export async function renderTrajectoryPage({ title, subtitle, map, groups, notes }: TrajectorySheet): Promise<string> {
  const strongest = map.edges.toSorted((a, b) => b.connectivity - a.connectivity);
  return renderSheet({
    title,
    subtitle,
    sections: [
      {
        id: 'map',
        title: 'Map',
        body: figure(
          await drawTrajectory(map, 'trajectory'),
          'Colour is pseudotime, from the root’s 0 to 1. Lines join groups: through, the tree of strongest connections; dashed, other connections from 0.05 on; width is the connectivity.',
          'wide',
        ),
      },
      {
        id: 'groups',
        title: 'Groups in order',
        body: table(
          'Groups by mean pseudotime',
          [{ title: 'group' }, { title: 'cells', isNumber: true }, { title: 'mean pseudotime', isNumber: true }, { title: 'spread', isNumber: true }],
          groups.map(({ name, numCells, meanTime, spread }) => ({ cells: [name, formatCount(numCells), formatScore(meanTime), formatScore(spread)] })),
        ),
      },
      {
        id: 'edges',
        title: 'Connections',
        body: table(
          'Connectivity of groups',
          [{ title: 'groups' }, { title: 'connectivity', isNumber: true }, { title: 'in the tree' }],
          strongest.map(({ a, b, connectivity, isOfTree }) => ({
            cells: [`${map.groups[a]!.name} – ${map.groups[b]!.name}`, formatScore(connectivity), isOfTree ? 'yes' : ''],
          })),
        ),
      },
      { id: 'notes', title: 'How this was made', body: html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>` },
    ],
  });
}
