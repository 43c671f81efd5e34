import { Buffer } from 'buffer';

/** What Node has everywhere and browsers have not. */
export { Buffer };
export const process = { pid: 0, env: {}, versions: {} };
