import { compileLibrary, libraryPlace, type CompileOptions, type Library, type LibraryPlace } from '../../toolchain/library.js';

/** kernels/: the ops of our own. */
const KERNELS: Library = { name: 'kernels', flags: ['-ffp-contract=fast'], without: 'train.session.fusedKernels: false does without' };

export const kernelLibrary = (cache?: string): Promise<LibraryPlace> => libraryPlace(KERNELS, cache);

/**
 * Compiles the ops for this processor (about five seconds), unless it has been done.
 * @param framework path of libtensorflow_framework.so.2
 * @throws SetupError when there is no compiler, or it fails
 */
export const buildKernels = (framework: string, options?: CompileOptions): Promise<string> => compileLibrary(KERNELS, [framework], options);
