/** Stands for what is bundled and never called in a page. */
const absent = (): never => {
  throw new Error('not in a page');
};
export { absent as inflateSync, absent as createGunzip, absent as gunzip, absent as promisify, absent as fileURLToPath };
export class Worker {}
export class MessageChannel {}
export { absent as receiveMessageOnPort };
export const [parentPort, workerData] = [null, null];
