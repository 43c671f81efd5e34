/** The part of node:path that readers and writers of cells use: plain paths with slashes. */
export const basename = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1)!;
export const dirname = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/'))) || (path.startsWith('/') ? '/' : '.');
export const join = (...parts: string[]): string => parts.filter(Boolean).join('/').replace(/\/+/g, '/');
export const resolve = (path: string): string => path;
export const relative = (from: string, to: string): string => (to.startsWith(`${from}/`) ? to.slice(from.length + 1) : to);
