/**
 * The part of TensorFlow's C API that building and running graphs needs, through koffi. Pointers are bigints; 0n is null.
 * Arrays that C reads or fills are packed typed arrays, handed over as they are: nothing is converted element by element.
 */
import { koffi, type TypeObject } from '../../native/foreign.js';
import { nativeLibraryPaths } from '../../native/load.js';
import type { HostTensor } from '../program.js';

export type Pointer = bigint;

/** One output of an operation in a graph (TF_Output). */
export interface Output {
  readonly oper: Pointer;
  readonly index: number;
}

/** TF_DataType of the types this project computes in. */
export const TF_TYPE = { float32: 1, int32: 3, uint8: 4, bool: 10, bfloat16: 14 } as const;
export type GraphDType = keyof typeof TF_TYPE;

const DTYPE_OF_TYPE = new Map<number, GraphDType>(Object.entries(TF_TYPE).map(([name, type]) => [type, name as GraphDType]));
const BYTES: Record<HostTensor['dtype'], number> = { float32: 4, int32: 4, bool: 1 };

export type CApi = ReturnType<typeof bind>;
let bound: CApi | undefined;

/** @throws SetupError when native TensorFlow is not set up */
export function cApi(): CApi {
  return (bound ??= bind());
}

function bind() {
  const paths = nativeLibraryPaths();
  const framework = koffi.load(paths.framework, { global: true });
  const cc = koffi.load(paths.cc, { global: true });
  const output = koffi.struct({ oper: 'void *', index: 'int' });
  const inFramework = (name: string, result: string, ...args: string[]) => framework.func(name, result, args);
  const inCc = (name: string, result: string, ...args: (string | TypeObject)[]) => cc.func(name, result, args);
  return {
    mallocTrim: koffi.load(null).func('malloc_trim', 'int', ['size_t']),
    memcpy: koffi.load(null).func('memcpy', 'void', ['void *', 'void *', 'size_t']),

    newStatus: inFramework('TF_NewStatus', 'void *'),
    deleteStatus: inFramework('TF_DeleteStatus', 'void', 'void *'),
    getCode: inFramework('TF_GetCode', 'int', 'void *'),
    message: inFramework('TF_Message', 'str', 'void *'),

    allocateTensor: inFramework('TF_AllocateTensor', 'void *', 'int', 'void *', 'int', 'size_t'),
    deleteTensor: inFramework('TF_DeleteTensor', 'void', 'void *'),
    tensorData: inFramework('TF_TensorData', 'void *', 'void *'),
    tensorType: inFramework('TF_TensorType', 'int', 'void *'),
    numDims: inFramework('TF_NumDims', 'int', 'void *'),
    dim: inFramework('TF_Dim', 'int64', 'void *', 'int'),

    newBuffer: inFramework('TF_NewBuffer', 'void *'),
    newBufferFrom: inFramework('TF_NewBufferFromString', 'void *', 'void *', 'size_t'),
    deleteBuffer: inFramework('TF_DeleteBuffer', 'void', 'void *'),

    newGraph: inCc('TF_NewGraph', 'void *'),
    deleteGraph: inCc('TF_DeleteGraph', 'void', 'void *'),
    newOperation: inCc('TF_NewOperation', 'void *', 'void *', 'str', 'str'),
    addInput: inCc('TF_AddInput', 'void', 'void *', output),
    addInputList: inCc('TF_AddInputList', 'void', 'void *', 'void *', 'int'),
    addControlInput: inCc('TF_AddControlInput', 'void', 'void *', 'void *'),
    setAttrType: inCc('TF_SetAttrType', 'void', 'void *', 'str', 'int'),
    setAttrBool: inCc('TF_SetAttrBool', 'void', 'void *', 'str', 'uint8'),
    setAttrInt: inCc('TF_SetAttrInt', 'void', 'void *', 'str', 'int64'),
    setAttrIntList: inCc('TF_SetAttrIntList', 'void', 'void *', 'str', 'void *', 'int'),
    setAttrFloat: inCc('TF_SetAttrFloat', 'void', 'void *', 'str', 'float'),
    setAttrString: inCc('TF_SetAttrString', 'void', 'void *', 'str', 'str', 'size_t'),
    setAttrShape: inCc('TF_SetAttrShape', 'void', 'void *', 'str', 'void *', 'int'),
    setAttrTensor: inCc('TF_SetAttrTensor', 'void', 'void *', 'str', 'void *', 'void *'),
    finishOperation: inCc('TF_FinishOperation', 'void *', 'void *', 'void *'),
    outputNumDims: inCc('TF_GraphGetTensorNumDims', 'int', 'void *', output, 'void *'),
    outputShape: inCc('TF_GraphGetTensorShape', 'void', 'void *', output, 'void *', 'int', 'void *'),
    setOutputShape: inCc('TF_GraphSetTensorShape', 'void', 'void *', output, 'void *', 'int', 'void *'),
    outputType: inCc('TF_OperationOutputType', 'int', output),
    operationByName: inCc('TF_GraphOperationByName', 'void *', 'void *', 'str'),
    graphToGraphDef: inCc('TF_GraphToGraphDef', 'void', 'void *', 'void *', 'void *'),
    newImportOptions: inCc('TF_NewImportGraphDefOptions', 'void *'),
    deleteImportOptions: inCc('TF_DeleteImportGraphDefOptions', 'void', 'void *'),
    importGraphDef: inCc('TF_GraphImportGraphDef', 'void', 'void *', 'void *', 'void *', 'void *'),

    // serialised ServerDef, its length, status
    newServer: inCc('TF_NewServer', 'void *', 'void *', 'size_t', 'void *'),
    serverStart: inCc('TF_ServerStart', 'void', 'void *', 'void *'),
    serverTarget: inCc('TF_ServerTarget', 'str', 'void *'),

    newSessionOptions: inCc('TF_NewSessionOptions', 'void *'),
    deleteSessionOptions: inCc('TF_DeleteSessionOptions', 'void', 'void *'),
    setTarget: inCc('TF_SetTarget', 'void', 'void *', 'str'),
    setConfig: inCc('TF_SetConfig', 'void', 'void *', 'void *', 'size_t', 'void *'),
    newSession: inCc('TF_NewSession', 'void *', 'void *', 'void *', 'void *'),
    // session options, run options, folder, tags, n, graph, buffer of the MetaGraphDef, status
    loadSavedModel: inCc('TF_LoadSessionFromSavedModel', 'void *', 'void *', 'void *', 'str', 'const char **', 'int', 'void *', 'void *', 'void *'),
    closeSession: inCc('TF_CloseSession', 'void', 'void *', 'void *'),
    deleteSession: inCc('TF_DeleteSession', 'void', 'void *', 'void *'),
    // session, run options, inputs, input values, n, outputs, output values, n, targets, n, run metadata, status
    sessionRun: inCc('TF_SessionRun', 'void', 'void *', 'void *', 'void *', 'void *', 'int', 'void *', 'void *', 'int', 'void *', 'int', 'void *', 'void *'),
  };
}

/** Throws what `status` says, if it says anything, as `make(message)`. */
export function checkStatus(api: CApi, status: Pointer, make: (message: string) => Error): void {
  if (api.getCode(status) !== 0) throw make(api.message(status) as string);
}

/** A copy of what a TF_Buffer holds; the buffer stays the caller's to delete. */
export function readBuffer(buffer: Pointer): Uint8Array {
  const [data, length] = koffi.decode(buffer, 'uint64_t', 2) as [bigint | number, bigint | number]; // TF_Buffer { data, length, … }
  const copy = new Uint8Array(Number(length));
  if (copy.length > 0) cApi().memcpy(copy, BigInt(data), copy.length);
  return copy;
}

export const int64s = (values: readonly number[]): BigInt64Array => BigInt64Array.from(values, BigInt);

/** TF_Output[] as C lays it out: pointer, int, padding. */
export function packOutputs(outputs: readonly Output[]): BigUint64Array {
  const packed = new BigUint64Array(2 * outputs.length);
  outputs.forEach(({ oper, index }, i) => {
    packed[2 * i] = oper;
    packed[2 * i + 1] = BigInt(index);
  });
  return packed;
}

export function dtypeOfType(type: number): GraphDType | undefined {
  return DTYPE_OF_TYPE.get(type);
}

/** A TensorFlow tensor holding a copy of `value`; the caller deletes it. */
export function newTensor(api: CApi, { dtype, shape, data }: HostTensor): Pointer {
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (data.length !== size) throw new RangeError(`${data.length} values for a tensor of shape [${shape}]`);
  const bytes = size * BYTES[dtype];
  if (data.byteLength !== bytes) throw new TypeError(`${data.constructor.name} given for a tensor of ${dtype}`);
  const tensor = api.allocateTensor(TF_TYPE[dtype], int64s(shape), shape.length, bytes) as Pointer;
  if (!tensor) throw new Error(`TensorFlow could not allocate ${bytes} bytes`);
  if (bytes > 0) api.memcpy(api.tensorData(tensor), data, bytes);
  return tensor;
}

/** A copy of a TensorFlow tensor, which stays the caller's to delete. */
export function readTensor(api: CApi, tensor: Pointer): HostTensor {
  const dtype = dtypeOfType(api.tensorType(tensor) as number);
  if (dtype === undefined || dtype === 'bfloat16' || dtype === 'uint8') throw new Error(`a result of TensorFlow type ${api.tensorType(tensor)} cannot be read`);
  const shape = Array.from({ length: api.numDims(tensor) as number }, (_, i) => Number(api.dim(tensor, i)));
  const size = shape.reduce((product, dim) => product * dim, 1);
  const data = dtype === 'float32' ? new Float32Array(size) : dtype === 'int32' ? new Int32Array(size) : new Uint8Array(size);
  if (size > 0) api.memcpy(data, api.tensorData(tensor), data.byteLength);
  return { dtype, shape, data };
}
