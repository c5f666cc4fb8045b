// What the files of the shell begin with: the names that the checks of a function of sails.h are written in.
#pragma once

#include "shell/backend.h"
#include "shell/device.h"

namespace backend = sails::backend;
using sails::AttentionInputs;
using sails::AttentionSizes;
using sails::elements;
using sails::guarded;
using sails::HeadLossSizes;
using sails::kMostPositions;
using sails::LinearGluForward;
using sails::LinearGluSizes;
using sails::LinearSetForward;
using sails::LinearSetSizes;
using sails::LinearSizes;
using sails::LoraBackward;
using sails::LoraForward;
using sails::LoraRows;
using sails::Pages;
using sails::require;
using sails::require_f32;
using sails::require_f32_or_bf16;
using sails::require_heads;
using sails::require_not_recording;
using sails::require_pointer;
using sails::require_size;
using sails::require_tensor;
using sails::require_workspace;
using sails::RopeAppend;
using sails::SaeCodes;
using sails::SaeEncoder;
using sails::SaeEncoderSizes;
