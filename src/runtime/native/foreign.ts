import koffi from 'koffi';

// The native code runs on a stack that koffi makes; the default of 128 kB for calls off the main thread is too little for a
// function that may optimise a whole graph before it runs it. Pages never touched cost nothing. It can be set only before the
// first library is opened, hence here, where everybody who calls C gets koffi from.
koffi.config({ sync_stack_size: 16 << 20, async_stack_size: 16 << 20, async_heap_size: 1 << 20 });

export { koffi };
export type { TypeObject } from 'koffi';
