/** The three parts a corpus is divided into, cell by cell. */
export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** Of the folder's layout. Here and not with the manifest's schema, so that threads that write shards start without it. */
export const FORMAT_VERSION = 2;
