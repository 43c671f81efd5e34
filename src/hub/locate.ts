import { existsSync } from 'node:fs';
import { parseHubModel } from './model-name.js';
import type { SnapshotOptions } from './snapshot.js';

/**
 * The folder a user means by a path or by the name of a model on the hub, `owner/name[/folder][@revision]`, which is fetched where the cache
 * does not have it. What exists is a path, and so is what lies below a folder that exists: a misspelt path is not sent to the network.
 * @throws CheckpointError when the hub does not have it either
 */
export async function locateModel(name: string, options: SnapshotOptions = {}): Promise<string> {
  const model = existsSync(name) || existsSync(name.split('/')[0]!) ? undefined : parseHubModel(name);
  if (!model) return name;
  const { snapshot } = await import('./snapshot.js');
  return snapshot(model, options);
}
