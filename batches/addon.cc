// What JavaScript sees of this folder, through Node-API: start(settings, numThreads) → crew, ask(crew, rows, geneIds, values, numGenes, done),
// stop(crew). src/data/loader/batch-addon.ts has the types.
#include <node_api.h>

#include <stdexcept>
#include <string>

#include "crew.h"

namespace {

void check(napi_status status) {
  if (status != napi_ok) throw std::runtime_error("Node-API call failed with status " + std::to_string(status));
}

napi_value property(napi_env env, napi_value object, const char *name) {
  napi_value value;
  check(napi_get_named_property(env, object, name, &value));
  return value;
}

double number(napi_env env, napi_value value) {
  double x;
  check(napi_get_value_double(env, value, &x));
  return x;
}
double number(napi_env env, napi_value object, const char *name) { return number(env, property(env, object, name)); }

std::string text(napi_env env, napi_value value) {
  size_t size;
  check(napi_get_value_string_utf8(env, value, nullptr, 0, &size));
  std::string text(size, '\0');
  check(napi_get_value_string_utf8(env, value, &text[0], size + 1, nullptr));
  return text;
}

/** Elements of a typed array: they stay where they are as long as it lives. */
template <class T>
struct View {
  T *first;
  size_t size;
  std::vector<T> copy() const { return std::vector<T>(first, first + size); }
};

template <class T>
View<T> view(napi_env env, napi_value array, napi_typedarray_type expected) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  check(napi_get_typedarray_info(env, array, &type, &length, &data, nullptr, nullptr));
  if (type != expected) throw std::invalid_argument("a typed array of another type is expected");
  return {static_cast<T *>(data), length};
}

BatchSettings settingsFrom(napi_env env, napi_value object) {
  BatchSettings settings;
  settings.weights = view<float>(env, property(env, object, "weights"), napi_float32_array).copy();
  settings.targetSum = number(env, object, "targetSum");
  settings.padId = int32_t(number(env, object, "padId"));
  napi_value layouts = property(env, object, "layouts");
  uint32_t length;
  check(napi_get_array_length(env, layouts, &length));
  for (uint32_t i = 0; i < length; i++) {
    napi_value layout;
    check(napi_get_element(env, layouts, i, &layout));
    auto offset = [&](const char *column) { return int64_t(number(env, property(env, layout, column), "offset")); };
    settings.layouts.push_back({text(env, property(env, layout, "file")), int64_t(number(env, layout, "numCells")), offset("indptr"), offset("geneIds"), offset("values"), offset("total")});
  }
  return settings;
}

/** What belongs to a batch on JavaScript's side: the arrays that are written to, kept alive until then, and whom to tell. */
struct Order {
  napi_env env;
  napi_ref arrays = nullptr, done = nullptr;
  bool isMade = false;
  ~Order() {
    napi_delete_reference(env, arrays);
    napi_delete_reference(env, done);
  }
};

/** In JavaScript's thread: says that a batch is made, or not. */
void tell(napi_env env, napi_value, void *, void *data) {
  std::unique_ptr<Order> order(static_cast<Order *>(data));
  if (!env) return (void)order.release(); // JavaScript is over, and its references with it
  napi_value undefined, done, isMade;
  check(napi_get_undefined(env, &undefined));
  check(napi_get_reference_value(env, order->done, &done));
  check(napi_get_boolean(env, order->isMade, &isMade));
  napi_call_function(env, undefined, done, 1, &isMade, nullptr);
}

/** A crew, and the way back to JavaScript, which it keeps from ending until it is stopped. */
class Handle {
 public:
  Handle(napi_env env, BatchSettings settings, int numThreads) : env(env), crew(new Crew(std::move(settings), numThreads)) {
    napi_value name;
    check(napi_create_string_utf8(env, "scdiva batches", NAPI_AUTO_LENGTH, &name));
    check(napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, tell, &back));
    check(napi_add_env_cleanup_hook(env, stopHook, this));
  }
  ~Handle() {
    stop();
    napi_remove_env_cleanup_hook(env, stopHook, this);
  }
  Handle(const Handle &) = delete;

  void ask(Batch batch, std::unique_ptr<Order> order) {
    if (!crew) throw std::logic_error("these threads have been stopped");
    crew->add(std::move(batch), [back = back, order = order.release()](bool isMade) {
      order->isMade = isMade;
      napi_call_threadsafe_function(back, order, napi_tsfn_nonblocking);
    });
  }
  /** Whoever still waits is told that nothing was made. */
  void stop() {
    if (!crew) return;
    crew.reset();
    napi_release_threadsafe_function(back, napi_tsfn_release);
  }

 private:
  napi_env env;
  napi_threadsafe_function back;
  std::unique_ptr<Crew> crew;

  static void stopHook(void *self) { static_cast<Handle *>(self)->stop(); }
};

Handle *handleOf(napi_env env, napi_value value) {
  void *handle;
  check(napi_get_value_external(env, value, &handle));
  return static_cast<Handle *>(handle);
}

/** Makes a C++ error one of JavaScript's. */
template <napi_value (*Body)(napi_env, napi_value *)>
napi_value entry(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  size_t count = 6;
  try {
    check(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
    return Body(env, arguments);
  } catch (const std::exception &error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
}

napi_value start(napi_env env, napi_value *arguments) {
  auto handle = std::make_unique<Handle>(env, settingsFrom(env, arguments[0]), int(number(env, arguments[1])));
  napi_value external;
  check(napi_create_external(env, handle.get(), [](napi_env, void *data, void *) { delete static_cast<Handle *>(data); }, nullptr, &external));
  handle.release();
  return external;
}

napi_value ask(napi_env env, napi_value *arguments) {
  auto [rows, B] = view<int32_t>(env, arguments[1], napi_int32_array);
  auto [ids, size] = view<int32_t>(env, arguments[2], napi_int32_array);
  auto values = view<float>(env, arguments[3], napi_float32_array);
  auto numGenes = view<int32_t>(env, arguments[4], napi_int32_array);
  if (numGenes.size != B || values.size != size || (B > 0 && size % B != 0)) throw std::invalid_argument("arrays of [B, L], [B, L] and [B] are expected");
  napi_value arrays;
  check(napi_create_array_with_length(env, 3, &arrays));
  for (uint32_t i = 0; i < 3; i++) check(napi_set_element(env, arrays, i, arguments[2 + i]));
  std::unique_ptr<Order> order(new Order{env});
  check(napi_create_reference(env, arrays, 1, &order->arrays));
  check(napi_create_reference(env, arguments[5], 1, &order->done));
  handleOf(env, arguments[0])->ask({std::vector<int32_t>(rows, rows + B), int32_t(B > 0 ? size / B : 0), ids, values.first, numGenes.first}, std::move(order));
  return nullptr;
}

napi_value stop(napi_env env, napi_value *arguments) {
  handleOf(env, arguments[0])->stop();
  return nullptr;
}

} // namespace

NAPI_MODULE_INIT() {
  auto define = [&](const char *name, napi_callback function) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  };
  define("start", entry<start>);
  define("ask", entry<ask>);
  define("stop", entry<stop>);
  return exports;
}
