// How a kernel of this folder looks to TensorFlow: a class made from the op's attributes, with `run` computing outputs from inputs.
#pragma once
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow.h"

class Status {
 public:
  Status() : status(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status); }
  Status(const Status &) = delete;
  operator TF_Status *() { return status; }
  void check() {
    if (TF_GetCode(status) != TF_OK) throw std::runtime_error(TF_Message(status));
  }

 private:
  TF_Status *status;
};

using Shape = std::vector<int64_t>;

inline int64_t sizeOf(const Shape &shape) {
  int64_t size = 1;
  for (int64_t dim : shape) size *= dim;
  return size;
}

class Attributes {
 public:
  explicit Attributes(TF_OpKernelConstruction *construction) : construction(construction) {}
  float number(const char *name) {
    float value;
    Status status;
    TF_OpKernelConstruction_GetAttrFloat(construction, name, &value, status);
    status.check();
    return value;
  }
  int32_t integer(const char *name) {
    int32_t value;
    Status status;
    TF_OpKernelConstruction_GetAttrInt32(construction, name, &value, status);
    status.check();
    return value;
  }

 private:
  TF_OpKernelConstruction *construction;
};

class Call {
 public:
  explicit Call(TF_OpKernelContext *context) : context(context) {}
  Call(const Call &) = delete;
  ~Call() {
    for (TF_Tensor *tensor : held) TF_DeleteTensor(tensor);
  }

  /** TensorFlow keeps the memory alive until the call ends. */
  template <class T>
  const T *input(int index) {
    return static_cast<const T *>(TF_TensorData(inputTensor(index)));
  }
  int type(int index) { return TF_TensorType(inputTensor(index)); }
  int outputType(int index) { return TF_ExpectedOutputDataType(context, index); }
  Shape shape(int index) {
    TF_Tensor *tensor = inputTensor(index);
    Shape shape(TF_NumDims(tensor));
    for (size_t i = 0; i < shape.size(); i++) shape[i] = TF_Dim(tensor, i);
    return shape;
  }
  template <class T>
  T *output(int index, const Shape &shape);
  /** Memory of an input that nobody else needs any more, or new memory. Reading the input while writing the output entry by entry is safe. */
  template <class T>
  T *outputOver(int index, int input, const Shape &shape) {
    Status status;
    int forwarded;
    return data<T>(TF_ForwardInputOrAllocateOutput(context, &input, 1, index, shape.data(), shape.size(), &forwarded, status), status);
  }

 private:
  TF_OpKernelContext *context;
  std::vector<TF_Tensor *> inputs, held;

  TF_Tensor *inputTensor(int index) {
    if (inputs.size() <= size_t(index)) inputs.resize(index + 1);
    if (!inputs[index]) {
      Status status;
      TF_GetInput(context, index, &inputs[index], status);
      status.check();
      held.push_back(inputs[index]);
    }
    return inputs[index];
  }
  template <class T>
  T *data(TF_Tensor *tensor, Status &status) {
    status.check();
    held.push_back(tensor);
    return static_cast<T *>(TF_TensorData(tensor));
  }
};

template <class T>
constexpr int typeNumber();
template <>
constexpr int typeNumber<float>() { return TF_FLOAT; }
template <>
constexpr int typeNumber<int32_t>() { return TF_INT32; }

template <class T>
T *Call::output(int index, const Shape &shape) {
  Status status;
  return data<T>(TF_AllocateOutput(context, index, typeNumber<T>(), shape.data(), shape.size(), sizeOf(shape) * sizeof(T), status), status);
}

/** Tells TensorFlow of an op and its kernel for CPUs. Shapes of results are set where the graph is built. */
template <class Kernel>
void defineOp(const char *name, std::initializer_list<const char *> inputs, std::initializer_list<const char *> outputs, std::initializer_list<const char *> attributes) {
  TF_OpDefinitionBuilder *op = TF_NewOpDefinitionBuilder(name);
  for (const char *attribute : attributes) TF_OpDefinitionBuilderAddAttr(op, attribute);
  for (const char *input : inputs) TF_OpDefinitionBuilderAddInput(op, input);
  for (const char *output : outputs) TF_OpDefinitionBuilderAddOutput(op, output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, TF_ShapeInferenceContextSetUnknownShape);
  Status status;
  TF_RegisterOpDefinition(op, status);
  status.check();

  auto create = [](TF_OpKernelConstruction *construction) -> void * {
    try {
      Attributes attributes(construction);
      return new Kernel(attributes);
    } catch (const std::exception &error) {
      Status failure;
      TF_SetStatus(failure, TF_INVALID_ARGUMENT, error.what());
      TF_OpKernelConstruction_Failure(construction, failure);
      return nullptr;
    }
  };
  auto compute = [](void *kernel, TF_OpKernelContext *context) {
    try {
      Call call(context);
      static_cast<Kernel *>(kernel)->run(call);
    } catch (const std::exception &error) {
      Status failure;
      TF_SetStatus(failure, TF_INVALID_ARGUMENT, error.what());
      TF_OpKernelContext_Failure(context, failure);
    }
  };
  auto destroy = [](void *kernel) { delete static_cast<Kernel *>(kernel); };
  TF_KernelBuilder *kernel = TF_NewKernelBuilder(name, "CPU", create, compute, destroy);
  TF_RegisterKernelBuilder(name, kernel, status);
  status.check();
}
