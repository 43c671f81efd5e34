import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CheckpointError } from '../errors.js';
import { readText } from '../files.js';
import type { HostTensor } from '../runtime/program/program.js';
import type { WeightsFile } from './weights-file.js';

const MAX_SHARDS = 1000;

const ShardIndex = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\\0]+$/, 'the name of a file beside the index')) });

/** Weights in several files, as an index beside them tells: `{ "weight_map": { tensor name: file name } }`. */
export class ShardedWeights implements WeightsFile {
  private constructor(
    readonly path: string,
    private readonly shardOf: ReadonlyMap<string, WeightsFile>,
    private readonly shards: readonly WeightsFile[],
  ) {}

  /**
   * @param path of the index
   * @param openShard opens one of its files
   * @throws CheckpointError for a missing or damaged shard, and where index and shards do not hold the same tensors
   */
  static async open(path: string, openShard: (path: string) => Promise<WeightsFile>): Promise<ShardedWeights> {
    const map = await readIndex(path);
    const shards = new Map<string, WeightsFile>();
    try {
      for (const name of new Set(Object.values(map))) shards.set(name, await openShard(join(dirname(path), name)));
      const shardOf = new Map<string, WeightsFile>();
      for (const [tensor, name] of Object.entries(map)) {
        const shard = shards.get(name)!;
        if (!shard.has(tensor))
          throw new CheckpointError({ file: path, key: tensor, found: `not in ${name}, where the index says`, hint: 'fetch index and shards of one release' });
        shardOf.set(tensor, shard);
      }
      for (const [name, shard] of shards) {
        const extra = shard.names.find((tensor) => map[tensor] !== name);
        if (extra !== undefined)
          throw new CheckpointError({
            file: shard.path,
            key: extra,
            found: 'a tensor that the index does not place here',
            hint: 'fetch index and shards of one release',
          });
      }
      return new ShardedWeights(path, shardOf, [...shards.values()]);
    } catch (error) {
      for (const shard of shards.values()) await shard.close();
      throw error;
    }
  }

  get files(): readonly string[] {
    return [this.path, ...this.shards.flatMap(({ files }) => files)];
  }

  get names(): readonly string[] {
    return [...this.shardOf.keys()];
  }

  has(name: string): boolean {
    return this.shardOf.has(name);
  }

  entry(name: string): ReturnType<WeightsFile['entry']> {
    return this.shard(name).entry(name);
  }

  read(name: string): Promise<HostTensor> {
    return this.shard(name).read(name);
  }

  async close(): Promise<void> {
    for (const shard of this.shards) await shard.close();
  }

  private shard(name: string): WeightsFile {
    const shard = this.shardOf.get(name);
    if (!shard) throw new CheckpointError({ file: this.path, key: name, found: 'no such tensor' });
    return shard;
  }
}

async function readIndex(path: string): Promise<Readonly<Record<string, string>>> {
  const text = await readText(path).catch((cause: NodeJS.ErrnoException) => {
    throw new CheckpointError({ file: path, found: `cannot be read (${cause.code})`, cause });
  });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ file: path, found: `not JSON: ${(cause as Error).message}`, cause });
  }
  const parsed = ShardIndex.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new CheckpointError({ file: path, key: issue.path.join('.') || undefined, found: issue.message, expected: 'weight_map: file name by tensor name' });
  }
  const numShards = new Set(Object.values(parsed.data.weight_map)).size;
  if (numShards > MAX_SHARDS) throw new CheckpointError({ file: path, found: `${numShards} shards`, expected: `at most ${MAX_SHARDS}` });
  return parsed.data.weight_map;
}
