// One function a file: it tells TensorFlow of the file's ops.
#pragma once

void defineAttention();
void defineCrossEntropy();
void defineDropout();
void defineGradients();
void defineHeads();
void defineRmsNorm();
void defineSwiGlu();
