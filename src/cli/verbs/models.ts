import { defineVerb } from '../verb.js';

export const models = defineVerb({
  command: 'models',
  describe: 'list the models fetched from a hub, or remove them',
  options: (y) => y.option('remove', { type: 'string', requiresArg: true, describe: 'owner/name whose files shall go' }),
  async run({ remove }) {
    const [{ cachedModels, removeCached }, { hubSettings }] = await Promise.all([import('../../hub/snapshot.js'), import('../../hub/settings.js')]);
    const settings = hubSettings();
    if (remove !== undefined) {
      const freedBytes = await removeCached(remove, settings);
      return { json: { removed: remove, freedBytes }, text: `${remove} removed, ${size(freedBytes)} freed` };
    }
    const found = await cachedModels(settings);
    const lines = found.map(
      ({ repository, folder, revision, commit, sizeBytes, path }) =>
        `${repository}${folder && `/${folder}`}@${revision}  ${commit.slice(0, 8)}  ${size(sizeBytes)}  ${path}`,
    );
    return { json: { cache: settings.cacheFolder, models: found }, text: lines.join('\n') || `none in ${settings.cacheFolder}` };
  },
});

const size = (bytes: number): string => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
