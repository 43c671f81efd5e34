import { defineVerb } from '../verb.js';
import { releaseFlags, type ReleaseFlags } from './release-flags.js';

interface Flags extends ReleaseFlags {
  readonly checkpoint: string;
  readonly out: string;
  readonly weights: 'f32' | 'f16' | 'u8';
  readonly name: string | undefined;
}

export const web = defineVerb<Flags>({
  command: 'web',
  describe: 'make a web page that annotates cells in the browser: static files, cells stay where they are',
  options: (y) =>
    releaseFlags(y)
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'checkpoint or run folder, or owner/name of a model on the hub' })
      .option('out', { type: 'string', demandOption: true, describe: 'folder to write; any web server can hand it out' })
      .option('weights', {
        choices: ['f32', 'f16', 'u8'] as const,
        default: 'f16' as const,
        describe: 'bits of the model: f16 is half the download of f32, u8 a quarter; docs/web.md has what they cost',
      })
      .option('name', { type: 'string', describe: 'of the model, as the page shows it [the checkpoint folder’s]' }) as never,
  async run({ checkpoint: path, out, weights, name, genes, entropy, targetSum }, { progress, signal, say }) {
    const [{ locateModel }, { openCheckpoint }, { writeWebSite }, { packageVersion }] = await Promise.all([
      import('../../hub/locate.js'),
      import('../../train/checkpoint.js'),
      import('../../inference/export/web-site.js'),
      import('../package-version.js'),
    ]);
    const checkpoint = await openCheckpoint(await locateModel(path, { progress, signal }), { genes, entropy, targetSum });
    const site = await writeWebSite(checkpoint, out, { weights, name, version: packageVersion(), notice: say });
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    return {
      json: { ...site },
      text: [
        `${site.out}: ${site.numFiles} files, ${mb(site.sizeBytes)}, of these the model ${mb(site.modelBytes)} (${weights})`,
        site.classes.length > 0
          ? `It labels cells as ${site.classes.join(', ')}.`
          : 'The checkpoint has no annotation head: the page shows a map of the cells, without labels.',
        `Put the folder on any web server, or look at it here: python3 -m http.server --directory ${site.out}`,
      ].join('\n'),
    };
  },
});
