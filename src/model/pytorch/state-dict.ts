import { CheckpointError } from '../../errors.js';
import { SAFETENSORS_DTYPES } from '../safetensors-header.js';
import { PickleGlobal, PickleOpaque, PickleTuple, unpickle, type PickleRules, type PickleValue } from './pickle.js';
import { extentOf, sizeOf, STORAGE_DTYPES, type Storage, type StoredTensor } from './storages.js';

/** Keys under which training scripts nest the weights. */
const NESTS = ['state_dict', 'model_state_dict'];

const MAX_RANK = 16;

/**
 * The tensors a `data.pkl` describes, by name: those of the state dict itself or of the one nested under `state_dict` or `model_state_dict`.
 * Entries that are no tensors (a step, a learning rate) are left out.
 * @param storageBytes size of the archive entry `data/<key>`, undefined where there is none
 * @throws CheckpointError for anything but tensors, numbers, texts and containers of them, and for tensors that do not fit their storages
 */
export function parseStateDict(pickle: Uint8Array, file: string, storageBytes: (key: string) => number | undefined): Map<string, StoredTensor> {
  const storages = new Map<string, PickleOpaque>();
  const refuse = (found: string, expected?: string): CheckpointError =>
    new CheckpointError({ file, key: 'data.pkl', found, expected, hint: 'the file is damaged or no file of weights' });

  const storage = (id: PickleValue): PickleValue => {
    const [word, type, key, , length] = id instanceof PickleTuple ? id.items : [];
    const dtype = type instanceof PickleGlobal ? STORAGE_DTYPES[type.name.replace(/^torch /, '')] : undefined;
    if (word !== 'storage' || !dtype || typeof key !== 'string' || !isCount(length)) throw refuse('a reference to what is no storage');
    const known = storages.get(key);
    if (known) {
      const { dtype: before, length: lengthBefore } = known.value as Storage;
      if (before !== dtype || lengthBefore !== length) throw refuse(`storage ${key} once as ${lengthBefore} ${before} and once as ${length} ${dtype}`);
      return known;
    }
    const bytes = storageBytes(key);
    if (bytes === undefined) throw refuse(`no entry data/${key.slice(0, 60)} for a storage of ${length} values`);
    if (bytes !== length * SAFETENSORS_DTYPES[dtype])
      throw refuse(`storage ${key} of ${bytes} bytes`, `${length * SAFETENSORS_DTYPES[dtype]} for ${length} values of ${dtype}`);
    const made = new PickleOpaque({ dtype, key, length } satisfies Storage);
    storages.set(key, made);
    return made;
  };

  const tensor = ([stored, offset, size, stride]: readonly PickleValue[]): PickleValue => {
    const of = stored instanceof PickleOpaque ? (stored.value as Partial<Storage>) : {};
    const shape = countsOf(size);
    const strides = countsOf(stride);
    if (of.key === undefined || !isCount(offset) || !shape || !strides || shape.length !== strides.length || shape.length > MAX_RANK)
      throw refuse('a tensor without storage, shape or strides');
    if (sizeOf(shape) > of.length!) throw refuse(`a tensor of shape [${shape.join(', ')}] in a storage of ${of.length} values`);
    const extent = extentOf({ shape, strides });
    if (extent === undefined) throw refuse(`a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}], which repeats stored values`);
    if (!(offset + extent <= of.length!)) throw refuse(`a tensor that ends at value ${offset + extent} of a storage of ${of.length}`);
    return new PickleOpaque({ storage: of as Storage, offset, shape, strides } satisfies StoredTensor);
  };

  const globals: PickleRules['globals'] = {
    'collections OrderedDict': (args) => {
      if (args.length > 0) throw refuse('an ordered dict made from arguments');
      return new Map();
    },
    'torch._utils _rebuild_tensor_v2': tensor,
    // A parameter is its tensor: (data, requires_grad, backward_hooks).
    'torch._utils _rebuild_parameter': ([data]) => {
      if (!(data instanceof PickleOpaque)) throw refuse('a parameter without a tensor');
      return data;
    },
    ...Object.fromEntries(Object.keys(STORAGE_DTYPES).map((name) => [`torch ${name}`, null])),
  };

  const { value: root } = unpickle(pickle, { file, globals, persistent: storage });
  if (!(root instanceof Map)) throw refuse('no dict of tensors', 'torch.save(model.state_dict(), …)');
  const nest = NESTS.find((key) => root.get(key) instanceof Map);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of nest === undefined ? root : (root.get(nest) as Map<PickleValue, PickleValue>))
    if (typeof name === 'string' && entry instanceof PickleOpaque && 'storage' in entry.value) tensors.set(name, entry.value as StoredTensor);
  if (tensors.size === 0)
    throw new CheckpointError({
      file,
      found: `no tensors, only ${[...root.keys()].slice(0, 8).map(String).join(', ') || 'an empty dict'}`,
      expected: `tensors by name, or a dict of them under ${NESTS.join(' or ')}`,
    });
  return tensors;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function countsOf(value: PickleValue | undefined): readonly number[] | undefined {
  return value instanceof PickleTuple && value.items.every(isCount) ? (value.items as readonly number[]) : undefined;
}
