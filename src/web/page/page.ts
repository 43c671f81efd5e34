import type { Analysis, BackendName, Ready, Reply, Request } from '../messages.js';
import { ResultView } from './result-view.js';

const at = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const [input, drop, status, problem] = [at<HTMLInputElement>('file'), at('drop'), at('status'), at('error')];
const [work, workLabel, workBar, cancel] = [at('work'), at('work-label'), at<HTMLProgressElement>('work-bar'), at<HTMLButtonElement>('cancel')];
const NAMES: Record<BackendName, string> = { webgpu: 'WebGPU', webgl: 'WebGL', wasm: 'WebAssembly' };

let worker: Worker;
let view: ResultView | undefined;
let ready: Ready | undefined;
let waiting: File | undefined;

const ask = (request: Request): void => worker.postMessage(request);

/** Out of a blob: such a worker is bound by the page's Content-Security-Policy, one of a file of its own by none. */
function startWorker(): void {
  const script = new URL('worker.js', document.baseURI).href;
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(script)};`], { type: 'text/javascript' }));
  worker = new Worker(blob, { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => heard(data));
  worker.addEventListener('error', (event) => fail(event.message || 'The page could not be started: is every file of its folder on the server?'));
  const wanted = new URLSearchParams(location.search).get('backend') as BackendName | null;
  ask({ kind: 'start', ...(wanted && wanted in NAMES && { backend: wanted }) });
  showWork('Load the model', 0, 1);
}

function heard(reply: Reply): void {
  switch (reply.kind) {
    case 'ready':
      return becomeReady(reply);
    case 'progress':
      return showWork(reply.what, reply.done, reply.total);
    case 'analysis':
      return showAnalysis(reply);
    case 'expression':
      return view?.showExpression(reply.gene, reply.values);
    case 'saved':
      download(reply.fileName, reply.bytes);
      view?.saved();
      return;
    case 'error':
      return fail(reply.message, reply.of);
  }
}

function becomeReady(reply: Ready): void {
  ready = reply;
  work.hidden = true;
  input.disabled = false;
  const { settings, backend, difference, refused } = reply;
  at('title').textContent = settings.classes.length > 0 ? 'Annotate cells' : 'Map cells';
  document.title = `${at('title').textContent} · ${settings.name}`;
  status.textContent = `Ready: the model runs by ${NAMES[backend]}.`;
  const bits = { f32: '32-bit', f16: '16-bit', u8: '8-bit' }[settings.weights];
  at('about').textContent = [
    `Model ${settings.name}, ${(settings.numBytes / 1e6).toFixed(1)} MB in ${bits} weights, scdiva ${settings.version}.`,
    `${NAMES[backend]}: within ${difference.toExponential(0)} of the machine that made this page.`,
    ...refused,
  ].join(' ');
  if (waiting) analyse(waiting);
}

function analyse(file: File): void {
  problem.hidden = true;
  if (!ready) {
    waiting = file;
    status.textContent = `${file.name} is read as soon as the model is loaded.`;
    return;
  }
  waiting = undefined;
  view?.close();
  view = undefined;
  input.disabled = true;
  status.textContent = '';
  cancel.hidden = false;
  showWork(`Read ${file.name}`, 0, 0);
  ask({ kind: 'analyse', file });
}

function showAnalysis(analysis: Analysis): void {
  rest();
  const { read, embed, map } = analysis.seconds;
  status.textContent = `${analysis.fileName}: ${analysis.numCells.toLocaleString('en')} cells in ${(read + embed + map).toFixed(1)} s (reading ${read.toFixed(1)}, model ${embed.toFixed(1)}, map ${map.toFixed(1)}). Nothing was sent.`;
  view = new ResultView(analysis, ask);
}

function showWork(what: string, done: number, total: number): void {
  work.hidden = false;
  const isBytes = what === 'Load the model';
  const number = (value: number) => (isBytes ? `${(value / 1e6).toFixed(1)}` : value.toLocaleString('en'));
  workLabel.textContent = total > 1 ? `${what}: ${number(done)} of ${number(total)}${isBytes ? ' MB' : ''}` : `${what} …`;
  if (total > 0) workBar.value = done / total;
  else workBar.removeAttribute('value');
}

function rest(): void {
  work.hidden = true;
  cancel.hidden = true;
  input.disabled = !ready;
  input.value = '';
}

function fail(message: string, of?: Request['kind']): void {
  if (of === 'gene' || of === 'save') return view?.refused(of, message);
  rest();
  status.textContent = '';
  problem.textContent = message;
  problem.hidden = false;
}

function download(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(new Blob([bytes], { type: 'application/x-hdf5' })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

input.addEventListener('change', () => {
  const [file] = input.files ?? [];
  if (file) analyse(file);
});
cancel.addEventListener('click', () => {
  worker.terminate();
  ready = undefined;
  rest();
  startWorker();
});
for (const kind of ['dragenter', 'dragover'] as const)
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
for (const kind of ['dragleave', 'drop'] as const)
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.remove('over');
  });
document.addEventListener('drop', ({ dataTransfer }) => {
  const files = [...(dataTransfer?.files ?? [])];
  if (files.length > 1) fail(`${files.length} files were dropped: one at a time.`);
  else if (files[0] && cancel.hidden) analyse(files[0]);
});
startWorker();
