/** Who trains together: every worker's address in the order of ranks, and which of them this process is. */
export interface Members {
  /** `host:port` of each worker's TensorFlow server. */
  readonly addresses: readonly string[];
  readonly rank: number;
  /** Who said so, for messages: TF_CONFIG, Slurm. */
  readonly source: string;
}

/** @throws Error in the words of the mistake when this is no `host:port` */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65535) throw new Error(`${JSON.stringify(address)} is not host:port`);
  return { host: (match[1] ?? match[2])!, port };
}
