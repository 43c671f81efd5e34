import { parentPort, workerData } from 'node:worker_threads';
import { batchesInNeighbourhoods, groupsOfPoints, type Parts } from './parts.js';

type Request = { [Name in keyof Parts]: { readonly name: Name; readonly task: Parts[Name]['task'] } }[keyof Parts];

const request = workerData as Request;
parentPort!.postMessage(request.name === 'groups' ? groupsOfPoints(request.task) : await batchesInNeighbourhoods(request.task));
