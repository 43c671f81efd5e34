import { existsSync, readdirSync } from 'node:fs';
import { copyFile, link, readdir, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, OutputError } from '../errors.js';
import { asOutputError, makeFolder, temporaryName } from '../files.js';
import { CHECKPOINT_FILES } from './checkpoint.js';

/**
 * The folder of one run:
 *
 *     config.yaml            resolved config; a run can be started from it
 *     run.json               what ran where, on which data, how it ended
 *     metrics.jsonl          one line a logged step and a validation
 *     events/                the same numbers for TensorBoard
 *     profile/               traces of single steps, where --profile asked for them
 *     checkpoints/step-NNNNNN/, and the links `last` and `best` to two of them
 *     model.safetensors …    once the run is finished: the files of the best checkpoint, so that the folder is a checkpoint itself
 */
export class RunFolder {
  private constructor(readonly path: string) {}

  /**
   * A new run's folder. @throws OutputError when something is there already or it cannot be made
   */
  static async create(path: string): Promise<RunFolder> {
    if (existsSync(path) && readdirSync(path).length > 0) {
      const isRun = existsSync(join(path, 'run.json'));
      throw new OutputError({
        file: path,
        found: isRun ? 'holds a run already' : 'is not empty',
        hint: isRun ? 'go on with it with --resume, or choose another --out' : 'choose another --out',
      });
    }
    await makeFolder(path);
    return new RunFolder(path);
  }

  /** Whether there is a run to go on with. */
  static hasCheckpoint(path: string): boolean {
    return existsSync(join(new RunFolder(path).last, CHECKPOINT_FILES.state));
  }

  /**
   * Clears up after a process that was killed while it wrote: takes half-written checkpoints away, and puts back one that was about to be
   * replaced by its better. Whoever still writes there, having been taken for dead, finds its file gone.
   */
  static async recover(path: string): Promise<void> {
    const { checkpoints } = new RunFolder(path);
    if (!existsSync(checkpoints)) return;
    for (const name of await readdir(checkpoints)) {
      const match = /^(.+)\.tmp-\d+-[0-9a-f]{8}(\.old)?$/.exec(name);
      if (!match) continue;
      const [, original, isOld] = match;
      if (isOld && !existsSync(join(checkpoints, original!))) await rename(join(checkpoints, name), join(checkpoints, original!));
      else await rm(join(checkpoints, name), { recursive: true, force: true });
    }
  }

  /** Takes away what a run has left that ended before its first checkpoint, so that it can begin anew; does nothing to any other folder. */
  static async clearAttempt(path: string): Promise<void> {
    const folder = new RunFolder(path);
    if (RunFolder.hasCheckpoint(path) || !existsSync(folder.manifest)) return;
    // run.json is what tells that these are ours: it goes last.
    for (const part of [folder.checkpoints, folder.profile, folder.events, folder.metrics, folder.config, folder.manifest])
      await rm(part, { recursive: true, force: true });
  }

  /** The folder as one knows it who neither makes it nor writes to it. */
  static of(path: string): RunFolder {
    return new RunFolder(path);
  }

  /** The folder of a run to go on with. @throws CheckpointError when it has saved no checkpoint */
  static open(path: string): RunFolder {
    const folder = new RunFolder(path);
    if (!RunFolder.hasCheckpoint(path))
      throw new CheckpointError({
        file: path,
        found: existsSync(path) ? 'no checkpoint to resume from' : 'no such run folder',
        hint: existsSync(path) ? 'remove the folder and start without --resume' : 'start without --resume',
      });
    return folder;
  }

  get config(): string {
    return join(this.path, 'config.yaml');
  }
  get manifest(): string {
    return join(this.path, 'run.json');
  }
  get metrics(): string {
    return join(this.path, 'metrics.jsonl');
  }
  get events(): string {
    return join(this.path, 'events');
  }
  get profile(): string {
    return join(this.path, 'profile');
  }
  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }
  get last(): string {
    return join(this.checkpoints, 'last');
  }
  get best(): string {
    return join(this.checkpoints, 'best');
  }
  checkpoint(step: number): string {
    return join(this.checkpoints, checkpointName(step));
  }

  /** Points `last` or `best` at a checkpoint: a link that is swapped in one rename, so that it never points nowhere. */
  async point(name: 'last' | 'best', step: number): Promise<void> {
    const path = this[name];
    const temporary = temporaryName(path);
    try {
      await symlink(checkpointName(step), temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw asOutputError(path, error);
    }
  }

  /** Removes all checkpoints but the newest `keep` and those of the steps named. */
  async prune(keep: number, alsoKeep: readonly number[]): Promise<void> {
    const steps = (await readdir(this.checkpoints)).flatMap((name) => (/^step-\d+$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => b - a);
    for (const step of steps.slice(keep)) if (!alsoKeep.includes(step)) await rm(this.checkpoint(step), { recursive: true });
  }

  /** Makes the run folder itself a checkpoint folder: the files of that checkpoint, without copying where links can be made. */
  async publish(step: number): Promise<void> {
    const from = this.checkpoint(step);
    for (const name of Object.values(CHECKPOINT_FILES)) {
      if (name === CHECKPOINT_FILES.optimizer || !existsSync(join(from, name))) continue;
      const temporary = temporaryName(join(this.path, name));
      try {
        await link(join(from, name), temporary).catch(() => copyFile(join(from, name), temporary));
        await rename(temporary, join(this.path, name));
      } catch (error) {
        await rm(temporary, { force: true });
        throw asOutputError(join(this.path, name), error);
      }
    }
  }

  /** Takes an empty folder away again: the run failed before it had anything to keep. */
  async removeIfEmpty(): Promise<void> {
    if (existsSync(this.path) && readdirSync(this.path).length === 0) await rmdir(this.path);
  }
}

const checkpointName = (step: number): string => `step-${String(step).padStart(6, '0')}`;
