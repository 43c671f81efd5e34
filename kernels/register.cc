#include "register.h"

#include <exception>
#include <string>

void startHelpers(int count);

/** Defines all ops, once a process. @returns null, or what went wrong. @param numThreads a kernel may use, the calling one included */
extern "C" const char *scdivaDefineOps(int numThreads) {
  static std::string message;
  try {
    startHelpers(numThreads - 1);
    for (auto define : {defineAttention, defineCrossEntropy, defineDropout, defineGradients, defineHeads, defineRmsNorm, defineSwiGlu}) define();
    return nullptr;
  } catch (const std::exception &error) {
    message = error.what();
    return message.c_str();
  }
}
