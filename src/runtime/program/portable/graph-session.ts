import { SessionConfig } from '../config.js';
import { cApi, checkStatus, readBuffer, type Output, type Pointer } from '../graph/c-api.js';
import { Session } from '../graph/session.js';
import type { HostTensors } from '../program.js';
import { decodeSignatures, encodeProto, opOf, type GraphDef } from './proto.js';

/** A graph that came from elsewhere, ready to run; tensors are named as ops name their inputs. */
export interface GraphSession {
  run(feeds: HostTensors, fetches: readonly string[], targets?: readonly string[]): Promise<HostTensors>;
  /** Call when no run is under way. */
  dispose(): void;
}

/** @throws Error with TensorFlow's message when it does not take the graph */
export function openGraph(graphDef: GraphDef): GraphSession {
  const api = cApi();
  const graph = api.newGraph() as Pointer;
  const status = api.newStatus() as Pointer;
  const options = api.newImportOptions() as Pointer;
  const bytes = encodeProto('GraphDef', graphDef);
  const buffer = api.newBufferFrom(bytes, bytes.length) as Pointer;
  try {
    api.importGraphDef(graph, buffer, options, status);
    checkStatus(api, status, (message) => new Error(message));
    return graphSession(graph, new Session(graph, SessionConfig.parse({})));
  } finally {
    api.deleteBuffer(buffer);
    api.deleteImportOptions(options);
    api.deleteStatus(status);
  }
}

/** A SavedModel, with the tensors behind the names of its signatures' inputs and outputs. */
export interface LoadedModel extends GraphSession {
  readonly signatures: Readonly<Record<string, { readonly inputs: Readonly<Record<string, string>>; readonly outputs: Readonly<Record<string, string>> }>>;
}

/**
 * Opens a SavedModel folder with TensorFlow's own loader, as TensorFlow Serving does: graph, variables, tag `serve`.
 * @throws Error with TensorFlow's message when it cannot be loaded
 */
export function openSavedModel(folder: string): LoadedModel {
  const api = cApi();
  const graph = api.newGraph() as Pointer;
  const metaGraph = api.newBuffer() as Pointer;
  try {
    const session = new Session(
      graph,
      SessionConfig.parse({}),
      (options, status) => api.loadSavedModel(options, null, folder, ['serve'], 1, graph, metaGraph, status) as Pointer,
    );
    return { ...graphSession(graph, session), signatures: decodeSignatures(readBuffer(metaGraph)) };
  } finally {
    api.deleteBuffer(metaGraph);
  }
}

function graphSession(graph: Pointer, session: Session): GraphSession {
  const api = cApi();
  const operation = (name: string): Pointer => {
    const found = api.operationByName(graph, name) as Pointer | null;
    if (!found) throw new Error(`the graph has no op ${name}`);
    return found;
  };
  const output = (tensor: string): Output => ({ oper: operation(opOf(tensor)), index: Number(/:(\d+)$/.exec(tensor)?.[1] ?? 0) });
  return {
    async run(feeds, fetches, targets = []) {
      const run = session.prepare({ feeds: Object.keys(feeds).map(output), fetches: fetches.map(output), targets: targets.map(operation) });
      const values = await run(Object.values(feeds));
      return Object.fromEntries(fetches.map((name, i) => [name, values[i]!]));
    },
    dispose: () => session.close(() => api.deleteGraph(graph)),
  };
}
