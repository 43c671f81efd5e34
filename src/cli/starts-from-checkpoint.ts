import type { VerbContext } from './context.js';

/** Whether a training goes on from a checkpoint. With --auto-resume and without one, what an earlier attempt has left is cleared away. */
export async function startsFromCheckpoint(
  { resume, autoResume }: { readonly resume: boolean; readonly autoResume: boolean },
  folder: string,
  { cluster }: Pick<VerbContext, 'cluster'>,
): Promise<boolean> {
  if (resume || !autoResume) return resume;
  const { RunFolder } = await import('../train/run-folder.js');
  const isFirst = !cluster || cluster.rank === 0;
  if (isFirst) await RunFolder.recover(folder);
  if (RunFolder.hasCheckpoint(folder)) return true;
  if (isFirst) await RunFolder.clearAttempt(folder);
  return false;
}
