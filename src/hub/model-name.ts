/** What is wanted of the hub. */
export interface HubModel {
  /** `owner/name` */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Folder inside the repository, '' for the whole. */
  readonly folder: string;
}

/** `owner/name[/folder][@revision]` as it is typed. @returns undefined for what is no such name */
export function parseHubModel(text: string): HubModel | undefined {
  const match = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)((?:\/[\w.-]+)*)(?:@([\w./-]+))?$/.exec(text);
  if (!match || text.includes('..')) return undefined;
  const [, repository, folder, revision = 'main'] = match;
  return { repository: repository!, folder: folder!.slice(1), revision };
}
