/**
 * Gives the command line's own look to warnings of the library (a slower backend is used): one line on stderr, under --json too.
 * Warnings of Node and of packages are for developers: they show under NODE_DEBUG=warnings alone.
 */
export function printWarnings(stream: NodeJS.WritableStream = process.stderr, isDebug = (process.env['NODE_DEBUG'] ?? '').includes('warnings')): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message, stack }) => {
    if (name === 'ScDiva') stream.write(`scdiva: ${message}\n`);
    else if (isDebug) stream.write(`${stack ?? message}\n`);
  });
}
