import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { membersOf } from '../../src/runtime/cluster/cluster.js';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, 'deploy', path), 'utf8');
const documents = (path: string): unknown[] => parseAllDocuments(read(path)).map((document) => document.toJS({ maxAliasCount: 0 }) as unknown);

/** The part of the Kubernetes API that the manifests use; anything else in them is refused. */
const Metadata = z.strictObject({ name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/) });
const Container = z.strictObject({
  name: z.string(),
  image: z.string().regex(/^[^:]+:[^:]+$/),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
  ports: z.array(z.strictObject({ name: z.string().max(15).optional(), containerPort: z.int().min(1).max(65_535) })),
  resources: z.strictObject({
    requests: z.record(z.string(), z.union([z.string(), z.number()])),
    limits: z.looseObject({ 'nvidia.com/gpu': z.int().positive() }),
  }),
  volumeMounts: z.array(z.strictObject({ name: z.string(), mountPath: z.string().startsWith('/'), readOnly: z.boolean().optional() })),
});
const PodSpec = z
  .strictObject({
    restartPolicy: z.literal('Never').optional(),
    securityContext: z.strictObject({ runAsNonRoot: z.literal(true), runAsUser: z.int().positive(), fsGroup: z.int().positive() }),
    containers: z.tuple([Container]),
    volumes: z.array(
      z.union([
        z.strictObject({ name: z.string(), persistentVolumeClaim: z.strictObject({ claimName: z.string(), readOnly: z.boolean().optional() }) }),
        z.strictObject({ name: z.string(), emptyDir: z.strictObject({ medium: z.literal('Memory'), sizeLimit: z.string() }) }),
      ]),
    ),
  })
  .refine(
    ({ containers: [{ volumeMounts }], volumes }) => volumeMounts.every(({ name }) => volumes.some((volume) => volume.name === name)),
    'a mount without a volume',
  );
const TfJob = z.strictObject({
  apiVersion: z.literal('kubeflow.org/v1'),
  kind: z.literal('TFJob'),
  metadata: Metadata,
  spec: z.strictObject({
    runPolicy: z.strictObject({ cleanPodPolicy: z.enum(['Running', 'All', 'None']), backoffLimit: z.int().positive() }),
    tfReplicaSpecs: z.strictObject({
      Worker: z.strictObject({
        replicas: z.int().min(2),
        restartPolicy: z.enum(['OnFailure', 'ExitCode', 'Always', 'Never']),
        template: z.strictObject({ spec: PodSpec }),
      }),
    }),
  }),
});
const JobSet = z.strictObject({
  apiVersion: z.literal('jobset.x-k8s.io/v1alpha2'),
  kind: z.literal('JobSet'),
  metadata: Metadata,
  spec: z.strictObject({
    network: z.strictObject({ enableDNSHostnames: z.literal(true), subdomain: z.string() }),
    failurePolicy: z.strictObject({ maxRestarts: z.int().positive() }),
    replicatedJobs: z.tuple([
      z.strictObject({
        name: z.string(),
        replicas: z.literal(1),
        template: z.strictObject({
          spec: z.strictObject({
            completionMode: z.literal('Indexed'),
            parallelism: z.int().min(2),
            completions: z.int().min(2),
            backoffLimit: z.literal(0),
            template: z.strictObject({ spec: PodSpec }),
          }),
        }),
      }),
    ]),
  }),
});
const Claim = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('PersistentVolumeClaim'),
  metadata: Metadata,
  spec: z.strictObject({
    accessModes: z.tuple([z.enum(['ReadOnlyMany', 'ReadWriteMany'])]),
    resources: z.strictObject({ requests: z.strictObject({ storage: z.string().regex(/^\d+Gi$/) }) }),
  }),
});

const claims = z.array(Claim).parse(documents('kubernetes/storage.yaml'));
const tfJob = TfJob.parse(documents('kubernetes/tfjob.yaml')[0]);
const jobSet = JobSet.parse(documents('kubernetes/jobset.yaml')[0]);
const pods = { TFJob: tfJob.spec.tfReplicaSpecs.Worker.template.spec, JobSet: jobSet.spec.replicatedJobs[0].template.spec.template.spec };

describe.each(Object.entries(pods))('the pods of the %s', (_, { containers: [container], volumes }) => {
  it('mount claims that are there, the corpus to be read alone', () => {
    for (const volume of volumes)
      if ('persistentVolumeClaim' in volume) expect(claims.map(({ metadata }) => metadata.name)).toContain(volume.persistentVolumeClaim.claimName);
    expect(container.volumeMounts.find(({ mountPath }) => mountPath === '/corpus')).toMatchObject({ readOnly: true });
  });

  it('run a training that goes on by itself, on a config of the image', () => {
    const line = container.args.join(' ');
    expect(line).toMatch(/pretrain --config \/opt\/scdiva\/\S+ --set data\.corpus=\/corpus --out \/runs\/\S+ --auto-resume/);
    expect(existsSync(join(root, /\/opt\/scdiva\/(configs\/\S+)/.exec(line)![1]!))).toBe(true);
  });
});

describe('the TFJob', () => {
  it('names container and port as the operator looks for them', () => {
    const [{ name, ports }] = pods.TFJob.containers;
    expect(name).toBe('tensorflow');
    expect(ports).toEqual([{ name: 'tfjob-port', containerPort: 2222 }]);
  });
});

describe('the JobSet', () => {
  const { name: jobName, template } = jobSet.spec.replicatedJobs[0];
  const [{ command, args, env }] = pods.JobSet.containers;

  it('says three times how many workers there are, and the same each time', () => {
    expect(template.spec.completions).toBe(template.spec.parallelism);
    expect(env).toEqual([{ name: 'WORKERS', value: String(template.spec.parallelism) }]);
  });

  it('gives every worker a TF_CONFIG that puts it in its place', () => {
    for (const index of [0, 3]) {
      const script = args[0]!.replace(/^exec .*$/m, 'printf %s "$TF_CONFIG"');
      const [shell, ...flags] = command!;
      const text = execFileSync(shell!, [...flags, script], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], WORKERS: env![0]!.value, JOB_COMPLETION_INDEX: String(index) },
      });
      // A pod of a JobSet is called JOBSET-JOB-0-INDEX, in the set's subdomain.
      const host = (i: number): string => `${jobSet.metadata.name}-${jobName}-0-${i}.${jobSet.spec.network.subdomain}:2222`;
      expect(membersOf({ TF_CONFIG: text })).toEqual({ addresses: [0, 1, 2, 3].map(host), rank: index, source: 'TF_CONFIG' });
    }
  });
});

describe('the Dockerfile', () => {
  const lines = read('docker/Dockerfile')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));
  const stages: { name: string; from: string; lines: string[] }[] = [];
  for (const line of lines) {
    const from = /^FROM (\S+) AS (\S+)$/.exec(line);
    if (from) stages.push({ from: from[1]!, name: from[2]!, lines: [] });
    else stages.at(-1)?.lines.push(line);
  }
  const stage = (name: string) => stages.find((candidate) => candidate.name === name)!;
  const { scripts, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string>; engines: { node: string } };

  it('names every stage, and starts from one exact version of Node that the package supports', () => {
    const version = /^ARG NODE_VERSION=(\d+)\.\d+\.\d+$/.exec(lines[0]!);
    expect(version).not.toBeNull();
    expect(engines.node).toContain(`^${version![1]}.`);
    expect(stages.map(({ name }) => name)).toEqual(['build', 'staged-cpu', 'staged-cuda', 'cpu', 'cuda']);
    for (const { from } of stages) expect(from === 'build' || from === 'node:${NODE_VERSION}-bookworm-slim').toBe(true);
  });

  it('runs scripts that package.json has, and verbs that there are', () => {
    for (const { lines } of stages) {
      for (const [, script] of lines.join('\n').matchAll(/npm run (?:-s )?(\S+)/g)) expect(Object.keys(scripts)).toContain(script);
      for (const [, verb] of lines.join('\n').matchAll(/node bin\/scdiva\.js (\S+)/g)) expect(existsSync(join(root, `src/cli/verbs/${verb}.ts`))).toBe(true);
    }
    expect(stage('build').lines).toContain('RUN npm ci --ignore-scripts');
  });

  it.each(['cpu', 'cuda'])('ends %s as an ordinary user, with TensorFlow where scdiva looks for it', (name) => {
    const { lines } = stage(name);
    expect(lines.findIndex((line) => line === 'USER node')).toBeGreaterThan(lines.findLastIndex((line) => /^(RUN|COPY)/.test(line)));
    expect(lines.at(-1)).toBe('ENTRYPOINT ["node", "/opt/scdiva/bin/scdiva.js"]');
    const cache = lines.map((line) => /SCDIVA_CACHE=(\S+)/.exec(line)?.[1]).find(Boolean)!;
    expect(lines).toContain(`COPY --from=staged-${name} --chown=node:node ${cache} ${cache}`);
    expect(stage(`staged-${name}`).lines).toContain(`ENV SCDIVA_CACHE=${cache}`);
  });
});

describe('the Slurm script', () => {
  it('is bash', () => expect(() => execFileSync('bash', ['-n', join(root, 'deploy/slurm/pretrain.sbatch')])).not.toThrow());
});
