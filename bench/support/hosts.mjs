// Two network namespaces of this machine, joined by one cable: what two machines look like to processes in them. Needs root and ip(8).
import { execFileSync, spawnSync } from 'node:child_process';

/** Whether hosts can be made here. */
export const canMakeHosts = () => process.getuid?.() === 0 && spawnSync('ip', ['netns', 'list']).status === 0;

/**
 * Makes two hosts, hands them to `work` and takes them away again, whatever happens.
 * @param rate of the cable, as tc(8) writes it: `1gbit`; none: as fast as memory
 */
export async function withHosts({ rate } = {}, work) {
  const id = process.pid % 60_000;
  const subnet = `10.${128 + ((id >> 8) % 100)}.${id & 255}`;
  const hosts = ['a', 'b'].map((letter, i) => ({ name: `scdiva-${id}-${letter}`, cable: `sd${id}${letter}`, address: `${subnet}.${i + 1}` }));
  const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const inside = (host, ...args) => execFileSync('ip', ['netns', 'exec', host.name, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const remove = () => {
    for (const { name } of hosts) spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
  };
  process.once('exit', remove);
  try {
    for (const { name } of hosts) ip('netns', 'add', name);
    ip('link', 'add', hosts[0].cable, 'type', 'veth', 'peer', 'name', hosts[1].cable);
    for (const host of hosts) {
      ip('link', 'set', host.cable, 'netns', host.name);
      inside(host, 'ip', 'address', 'add', `${host.address}/24`, 'dev', host.cable);
      inside(host, 'ip', 'link', 'set', 'lo', 'up');
      inside(host, 'ip', 'link', 'set', host.cable, 'up');
      if (rate) inside(host, 'tc', 'qdisc', 'add', 'dev', host.cable, 'root', 'tbf', 'rate', rate, 'burst', '256kb', 'latency', '50ms');
    }
    return await work({
      addresses: hosts.map(({ address }) => address),
      /** The command that runs something in host i. */
      command: (i, ...args) => ['ip', ['netns', 'exec', hosts[i].name, ...args]],
      /** Packets on the cable are lost without a word, as by a broken switch; or arrive again. */
      setLink: (isUp) => {
        // A queue that holds no packet.
        for (const host of hosts) inside(host, 'tc', 'qdisc', isUp ? 'del' : 'replace', 'dev', host.cable, 'root', ...(isUp ? [] : ['bfifo', 'limit', '1']));
      },
    });
  } finally {
    process.off('exit', remove);
    remove();
  }
}
